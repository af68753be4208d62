// A provider that others certified, with the clients that the suite registers. It reads its settings from SETTINGS.
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import Provider from 'oidc-provider'

const { port, clients } = JSON.parse(process.env.SETTINGS)
const key = (alg, type, options) => {
  const { privateKey } = generateKeyPairSync(type, options)
  return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: randomUUID() }
}
const person = {
  name: 'Ada Example', given_name: 'Ada', updated_at: 1700000000, email: 'ada@example.com', email_verified: true,
  phone_number: '+15555550100', phone_number_verified: false, address: { country: 'CH' }
}
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients,
  jwks: {
    keys: [key('RS256', 'rsa', { modulusLength: 2048 }), key('ES256', 'ec', { namedCurve: 'P-256' }), key('EdDSA', 'ed25519')]
  },
  cookies: { keys: [randomUUID()], long: { sameSite: 'none' } },
  claims: {
    openid: ['sub'], profile: ['name', 'given_name', 'updated_at'], email: ['email', 'email_verified'],
    phone: ['phone_number', 'phone_number_verified'], address: ['address']
  },
  scopes: ['openid', 'offline_access', 'profile', 'email', 'phone', 'address'],
  findAccount: (_, id) => ({ accountId: id, claims: async () => ({ sub: id, ...person }) }),
  features: { devInteractions: { enabled: true }, claimsParameter: { enabled: true }, backchannelLogout: { enabled: true }, rpInitiatedLogout: { enabled: true } },
  pkce: { required: (_, client) => client.clientId === 'strict' },
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'] },
  fetch: (url, { dispatcher, ...options }) => fetch(url, options), // the provider itself would refuse loopback
  enableHttpPostMethods: true,
})
provider.on('backchannel.error', (_, error) => console.error(error))
provider.on('server_error', (_, error) => console.error(error))
provider.listen(port, '127.0.0.1')
