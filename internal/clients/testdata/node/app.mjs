// A web app whose people sign in with OpenID Connect.
import { createServer } from 'node:http'
import { randomUUID } from 'node:crypto'
import * as client from 'openid-client'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, ADDRESS, LISTEN } = process.env // ADDRESS is such as https://wiki.example.com
const options = ISSUER.startsWith('https:') ? {} : { execute: [client.allowInsecureRequests] } // http is for tests only
const config = await client.discovery(new URL(ISSUER), CLIENT_ID, CLIENT_SECRET, undefined, options)
const redirect_uri = ADDRESS + '/callback'

const people = new Map() // who has signed in, by the cookie "session"
const attempts = new Map() // sign-ins that have begun, by the cookie "attempt"

const cookie = (request, name) => (request.headers.cookie ?? '').split('; ').find((c) => c.startsWith(name + '='))?.slice(name.length + 1)
const cookieHeader = (name, value) => `${name}=${value}; Path=/; HttpOnly; SameSite=Lax${ADDRESS.startsWith('https:') ? '; Secure' : ''}`
const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
const show = (response, status, html) => response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8' }).end(html)
const go = (response, to, ...cookies) => response.writeHead(302, { Location: String(to), 'Set-Cookie': cookies }).end()

// signIn sends the browser to Sallyport, and remembers in this browser what was asked.
async function signIn(response, to, more = {}) {
  const attempt = { to, state: client.randomState(), nonce: client.randomNonce(), verifier: client.randomPKCECodeVerifier(), maxAge: more.max_age }
  const id = randomUUID()
  attempts.set(id, attempt)
  go(response, client.buildAuthorizationUrl(config, {
    redirect_uri, scope: 'openid profile email groups', state: attempt.state, nonce: attempt.nonce,
    code_challenge: await client.calculatePKCECodeChallenge(attempt.verifier), code_challenge_method: 'S256', ...more
  }), cookieHeader('attempt', id))
}

// callback exchanges the code for tokens. The library checks state, nonce, verifier, iss and the ID token.
async function callback(request, response, url) {
  const id = cookie(request, 'attempt')
  const attempt = attempts.get(id)
  attempts.delete(id)
  if (!attempt) return show(response, 400, 'This sign-in began in another browser, or is over. Start again.')
  const tokens = await client.authorizationCodeGrant(config, url, {
    expectedState: attempt.state, expectedNonce: attempt.nonce, pkceCodeVerifier: attempt.verifier, idTokenExpected: true,
    maxAge: attempt.maxAge && Number(attempt.maxAge)
  })
  const session = randomUUID()
  people.set(session, { ...tokens.claims(), idToken: tokens.id_token })
  go(response, attempt.to, cookieHeader('session', session))
}

// payroll needs a second factor that is at most five minutes old.
function payroll(response, person) {
  if (!person || !['aal2', 'phr'].includes(person.acr) || Date.now() / 1000 - person.auth_time > 300) {
    return signIn(response, '/payroll', { acr_values: 'aal2', max_age: '300' })
  }
  show(response, 200, `<h1>Payroll of ${escape(person.name)}</h1>`)
}

// signOut forgets the person here, and sends them to Sallyport to sign out there.
function signOut(request, response, person) {
  people.delete(cookie(request, 'session'))
  go(response, client.buildEndSessionUrl(config, { id_token_hint: person?.idToken ?? '', post_logout_redirect_uri: ADDRESS + '/signed-out' }))
}

async function handle(request, response) {
  const url = new URL(request.url, ADDRESS)
  const person = people.get(cookie(request, 'session'))
  switch (url.pathname) {
    case '/': return person ? show(response, 200, `<h1>Hello, ${escape(person.name)}</h1><p>${escape(person.email)}</p>`) : signIn(response, '/')
    case '/callback': return callback(request, response, url)
    case '/payroll': return payroll(response, person)
    case '/sign-out': return signOut(request, response, person)
    case '/signed-out': return show(response, 200, '<h1>You are signed out</h1>')
    default: return show(response, 404, 'This page does not exist.')
  }
}

const [host, port] = LISTEN.split(':')
createServer((request, response) => handle(request, response).catch((error) => show(response, 502, escape(error)))).listen(port, host)
