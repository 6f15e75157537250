/**
 * What a person sees once everything is up: where it is, where its logs are, and lines to paste that
 * walk through the whole API with nothing but curl and sed.
 */

/** How a host is written in a URL that reaches it from here. @param {string} host */
export const urlHost = (host) => {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
};

/** The shell lines, without indentation. @param {string} url @param {boolean} hasTls */
const formatWalk = (url, hasTls) => {
  const curl = hasTls ? 'curl -sSk' : 'curl -sS';
  const token = (/** @type {string} */ from) =>
    `TOKEN=$(echo "$${from}" | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')`;
  return [
    `FG=${url}; J='content-type: application/json'`,
    `${curl} $FG/v1/users -H "$J" -d '{"username":"ada","password":"correct horse battery"}'; echo`,
    `LOGIN=$(${curl} $FG/v1/login -H "$J" -d '{"username":"ada","password":"correct horse battery"}'); echo "$LOGIN"`,
    token('LOGIN'),
    `REFRESH=$(echo "$LOGIN" | sed 's/.*"refresh_token":"\\([^"]*\\)".*/\\1/')`,
    `${curl} -i $FG/v1/verify -H "authorization: Bearer $TOKEN"`,
    `FRESH=$(${curl} $FG/v1/refresh -H "$J" -d "{\\"refresh_token\\":\\"$REFRESH\\"}"); echo "$FRESH"`,
    token('FRESH'),
    `CHANGED=$(${curl} $FG/v1/password -H "authorization: Bearer $TOKEN" -H "$J" -d '{"current_password":"correct horse battery","new_password":"staple battery horse"}'); echo "$CHANGED"`,
    token('CHANGED'),
    `${curl} -i -X POST $FG/v1/logout -H "authorization: Bearer $TOKEN"`,
    `${curl} -i $FG/v1/verify -H "authorization: Bearer $TOKEN"   # 401: logged out`,
  ];
};

/**
 * @param {{
 *   settings: ReturnType<typeof import('./settings.mjs').readSettings>,
 *   logs: string, adminToken: string, redis: string,
 * }} options
 */
export const formatBanner = ({ settings, logs, adminToken, redis }) => {
  const scheme = settings.hasTls ? 'https' : 'http';
  const url = `${scheme}://${urlHost(settings.host)}:${settings.port}`;
  const adminUrl = `${scheme}://${urlHost(settings.adminHost)}:${settings.adminPort}`;
  return [
    '',
    'Floodgate is ready.',
    '',
    `  public   ${url}   (${settings.nodes} password nodes)`,
    `  admin    ${adminUrl}   token: ${adminToken}`,
    `  redis    ${redis}`,
    `  logs     ${logs}`,
    '',
    'Try it (paste into another terminal):',
    '',
    ...formatWalk(url, settings.hasTls).map((line) => `  ${line}`),
    '',
    'Ctrl-C stops everything; the data stays.',
    '',
  ].join('\n');
};
