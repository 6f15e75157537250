/**
 * What an undeclared string might be. Some shapes mean different things in different products, or need
 * to be told something that is not in them; they are never guessed, only named, so that an operator can
 * declare the right one. Strings that mean one thing everywhere are claimed by `identify` instead.
 */

type Shape = { shape: RegExp; formats: readonly string[] };

/** Base64 of exactly so many bytes, and not hex digits by chance. */
const base64Of = (...lengths: readonly number[]): RegExp => {
  const spellings = lengths.map((bytes) => {
    const padding = '='.repeat((3 - (bytes % 3)) % 3);
    return `[A-Za-z0-9+/]{${Math.ceil(bytes / 3) * 4 - padding.length}}${padding}`;
  });
  return new RegExp(`^(?![0-9a-f]+$)(${spellings.join('|')})$`);
};

const ofLength = (digits: number): RegExp => new RegExp(`^[0-9a-f]{${digits}}$`, 'i');

const shapes: readonly Shape[] = [
  { shape: ofLength(16), formats: ['mysql323'] },
  { shape: ofLength(32), formats: ['digest', 'nthash', 'django-digest'] },
  { shape: ofLength(40), formats: ['digest', 'mysql41'] },
  { shape: /^([0-9a-f]{56}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})$/i, formats: ['digest'] },
  { shape: base64Of(16, 20, 28, 32, 48, 64), formats: ['digest'] },
  { shape: base64Of(64), formats: ['firebase-scrypt'] },
  { shape: /^A[A-Za-z0-9+/]{55,}={0,2}$/, formats: ['aspnet-identity'] },
  { shape: /^[0-9a-f]{32,128}:./i, formats: ['salted-digest'] },
  { shape: /^[0-9a-f]{32}:./i, formats: ['joomla', 'vbulletin', 'mybb'] },
  { shape: /^[0-9a-f]{32,128}:[^:]+:[0-3][0-9_:]*$/, formats: ['magento'] },
  { shape: /^(md5|sha1)\$[^$]*\$[0-9a-f]+$/, formats: ['django-digest', 'werkzeug-digest'] },
  { shape: /^sha(224|256|384|512)\$[^$]*\$[0-9a-f]+$/, formats: ['werkzeug-digest'] },
  { shape: /^md5[0-9a-f]{32}$/, formats: ['postgres-md5'] },
  { shape: /^\{(MD5|SHA256)\}/i, formats: ['ldap', 'spring'] },
  { shape: /^\{(MD4|SHA-1|SHA-256|ldap|bcrypt|pbkdf2|scrypt)(@\w+)?\}/, formats: ['spring'] },
  { shape: /^\$md5\$/, formats: ['kratos-digest'] },
  { shape: /^\$hmac-/, formats: ['kratos-hmac'] },
  { shape: /^\$scrypt\$ln=/, formats: ['scrypt-phc', 'scrypt-kratos'] },
  { shape: /^\$pbkdf2-sha(224|384)\$/, formats: ['pbkdf2-passlib', 'pbkdf2-kratos'] },
  { shape: /^\$7\$/, formats: ['scrypt-crypt7', 'scrypt-phc'] },
  { shape: /^sha(1|256|512):\d+:/, formats: ['pbkdf2-hashcat'] },
  { shape: /^pbkdf2:sha\d+\$/, formats: ['pbkdf2-werkzeug'] },
  { shape: /^\$firescrypt\$/, formats: ['firebase-scrypt-kratos'] },
  { shape: /^\$firebasescrypt\$/, formats: ['firebase-scrypt-zitadel'] },
  { shape: /^\$fbscrypt\$/, formats: ['firebase-scrypt-gotrue'] },
  { shape: /^\$f_scrypt\$/, formats: ['firebase-scrypt-supertokens'] },
  { shape: /^\["/, formats: ['logto-legacy'] },
  { shape: /^\{"/, formats: ['keycloak'] },
];

/** Also the names that only this table knows: a test compares them with the formats. */
export const candidateIds: readonly string[] = shapes.flatMap(({ formats }) => formats);

/** The formats that the string could be declared as; none for what no format looks like. */
export const candidatesOf = (text: string): readonly string[] => [
  ...new Set(shapes.filter(({ shape }) => shape.test(text)).flatMap(({ formats }) => formats)),
];
