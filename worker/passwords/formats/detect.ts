/**
 * What an undeclared string might be. Some shapes mean different things in different products, or need
 * to be told something that is not in them; they are never guessed, only named, so that an operator can
 * declare the right one. Strings that mean one thing everywhere are claimed by `identify` instead.
 */

type Shape = { shape: RegExp; formats: readonly string[] };

const ofLength = (digits: string): RegExp =>
  new RegExp(`^([0-9a-f]{${digits}}|[0-9A-F]{${digits}})$`);

const shapes: readonly Shape[] = [
  { shape: ofLength('16'), formats: ['mysql323'] },
  { shape: ofLength('32'), formats: ['digest', 'nthash', 'django-digest'] },
  { shape: ofLength('40'), formats: ['digest', 'mysql41'] },
  {
    shape: /^([0-9a-fA-F]{56}|[0-9a-fA-F]{64}|[0-9a-fA-F]{96}|[0-9a-fA-F]{128})$/,
    formats: ['digest'],
  },
  { shape: /^([A-Za-z0-9+/]{4}){5,21}[A-Za-z0-9+/]{2}[A-Za-z0-9+/=]=$/, formats: ['digest'] },
  { shape: /^[0-9a-fA-F]{32,128}:./, formats: ['salted-digest'] },
  { shape: /^[0-9a-fA-F]{32}:./, formats: ['joomla', 'vbulletin', 'mybb'] },
  { shape: /^[0-9a-f]{32,128}:[^:]+:[0-3][0-9_:]*$/, formats: ['magento'] },
  { shape: /^(md5|sha1)\$[^$]*\$[0-9a-f]+$/, formats: ['django-digest', 'werkzeug-digest'] },
  { shape: /^sha(224|256|384|512)\$[^$]*\$[0-9a-f]+$/, formats: ['werkzeug-digest'] },
  { shape: /^md5[0-9a-f]{32}$/, formats: ['postgres-md5'] },
  { shape: /^\{(MD5|SHA256)\}/i, formats: ['ldap', 'spring-digest'] },
  { shape: /^\{(MD4|SHA-1|SHA-256|ldap)\}/, formats: ['spring-digest'] },
  { shape: /^\$md5\$/, formats: ['kratos-digest'] },
  { shape: /^\$hmac-/, formats: ['kratos-hmac'] },
  { shape: /^\["/, formats: ['logto-legacy'] },
];

/** The formats that the string could be declared as; none for what no format looks like. */
export const candidatesOf = (text: string): readonly string[] => [
  ...new Set(shapes.filter(({ shape }) => shape.test(text)).flatMap(({ formats }) => formats)),
];
