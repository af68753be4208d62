// Client with oidc-client-ts, a public one: all of it runs in the browser.
const say = (text) => { document.getElementById('who').textContent = text }
const on = (id, act) => { document.getElementById(id).onclick = () => Promise.resolve(act()).catch((error) => say('Error: ' + error.message)) }

async function start () {
  const { issuer, id } = await (await fetch('/settings')).json()
  const manager = new oidc.UserManager({
    authority: issuer, client_id: id, redirect_uri: location.origin + '/callback', post_logout_redirect_uri: location.origin + '/signed-out',
    scope: 'openid profile email', loadUserInfo: true, automaticSilentRenew: false, monitorSession: false,
    filterProtocolClaims: false // keeps acr
  })
  on('in', () => manager.signinRedirect())
  on('payroll', () => manager.signinRedirect({ acr_values: 'aal2', max_age: 300 }))
  on('out', () => manager.signoutRedirect())
  on('again', async () => { // redeems the code of the last reply once more
    const form = new URLSearchParams(sessionStorage.getItem('redeemed'))
    const metadata = await (await fetch(issuer + '/.well-known/openid-configuration')).json()
    const answer = await fetch(metadata.token_endpoint, { method: 'POST', body: form })
    say(`Again: ${answer.status} ${(await answer.json()).error}`)
  })
  if (location.pathname === '/callback') {
    const send = window.fetch // keeps what the library sends, for "again"
    window.fetch = (address, options) => {
      if (options?.method === 'POST') sessionStorage.setItem('redeemed', String(options.body))
      return send(address, options)
    }
    const user = await manager.signinRedirectCallback()
    window.fetch = send
    return say(`Hello, ${user.profile.email}, ${user.profile.acr}`)
  }
  say(location.pathname === '/signed-out' ? 'You are signed out' : 'Nobody')
}
start().catch((error) => say('Error: ' + error.message))
