// A certified OpenID provider on loopback: client credentials, token exchange, and people who log in by any name.
// Arguments: the port, the path of the package `oidc-provider`, and the URL of a mesh that people come back to.
import { createPublicKey, verify } from 'node:crypto';
import { pathToFileURL } from 'node:url';

const [port, library, mesh = 'http://127.0.0.1:9'] = process.argv.slice(2);
const { Provider, errors } = await import(pathToFileURL(`${library}/lib/index.js`));
const issuer = `http://127.0.0.1:${port}`;
const client = (client_id, ...grant_types) => ({
  client_id, client_secret: `secret of ${client_id}`, grant_types, redirect_uris: [], response_types: [],
  token_endpoint_auth_method: 'client_secret_basic',
});
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const TYPE = 'urn:ietf:params:oauth:token-type:access_token';
const resource = (audience) => ({
  audience, scope: 'mcp notes more', accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } },
});
const provider = new Provider(issuer, {
  // The document of a mesh that has a proxy with TLS before it, without the proxy, and without the guard against loopback.
  fetch: (url, { dispatcher: _, ...options }) => fetch(String(url).replace('https://mesh.example', mesh), options),
  clients: [client('robot', 'client_credentials'), client('mesh: one', 'client_credentials', EXCHANGE), {
    client_id: 'mesh', token_endpoint_auth_method: 'none', response_types: ['code'],
    grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: [`${mesh}/connect/callback/notes`, `${mesh}/connect/login/idp`],
  }],
  scopes: ['mcp', 'notes', 'more', 'offline_access'],
  // Who logs in is who they say; each code and each refresh token is good once.
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  extraTokenClaims: (_ctx, token) => token.extra,
  ttl: { ClientCredentials: () => 120 },
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    registration: { enabled: true },
    clientIdMetadataDocument: { enabled: true, ack: 'draft-02' },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_ctx, name) => resource(name),
    },
  },
});
// The library leaves token exchange to its users; the subject token is checked against the keys that we publish.
async function subject(text) {
  const [head, body, signature] = String(text).split('.');
  try {
    const { kid } = JSON.parse(Buffer.from(head, 'base64url'));
    const { keys } = await (await fetch(`${issuer}/jwks`)).json();
    const key = createPublicKey({ key: keys.find((found) => found.kid === kid), format: 'jwk' });
    const claims = JSON.parse(Buffer.from(body, 'base64url'));
    if (verify('RSA-SHA256', `${head}.${body}`, key, Buffer.from(signature, 'base64url'))
      && claims.exp > Date.now() / 1000) return claims.sub;
  } catch {
    // falls through to the refusal
  }
  throw new errors.InvalidGrant('subject_token');
}

provider.registerGrantType(EXCHANGE, async (ctx) => {
  const { params, client } = ctx.oidc;
  if (params.subject_token_type !== TYPE) throw new errors.InvalidRequest('subject_token_type');
  const token = new provider.ClientCredentials({
    client, scope: 'notes', extra: { on_behalf_of: await subject(params.subject_token) },
  });
  token.resourceServer = new provider.ResourceServer(params.resource, resource(params.resource));
  ctx.body = {
    access_token: await token.save(), expires_in: token.expiration, token_type: token.tokenType, scope: token.scope,
    issued_token_type: TYPE,
  };
}, ['subject_token', 'subject_token_type', 'resource', 'audience', 'scope']);
provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
