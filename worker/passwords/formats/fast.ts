/** The rows of the fast digests, of phpass and of crypt(3), and of what is never a hash. */
import { mysql41, mysql323, postgresMd5 } from './databases.js';
import { digest } from './digest.js';
import { djangoDigest } from './django-digest.js';
import type { Format } from './format.js';
import { forums } from './forums.js';
import { keyedHmac } from './keyed-hmac.js';
import { kratosCrypt } from './kratos-crypt.js';
import { kratosDigest } from './kratos-digest.js';
import { kratosHmac } from './kratos-hmac.js';
import { ldap } from './ldap.js';
import { logto } from './logto.js';
import { magento } from './magento.js';
import { md5Crypt } from './md5-crypt.js';
import { never } from './never.js';
import { nthash } from './nthash.js';
import { passwapMd5 } from './passwap-md5.js';
import { drupal, phpass } from './phpass.js';
import { saltedDigest } from './salted-digest.js';
import { shaCrypt } from './sha-crypt.js';
import { template } from './template.js';
import { werkzeugDigest } from './werkzeug-digest.js';

export const fastFormats: readonly Format[] = [
  ...[phpass, drupal, md5Crypt, shaCrypt, kratosCrypt],
  ...[ldap, djangoDigest, werkzeugDigest],
  ...[digest, saltedDigest, template, keyedHmac, nthash],
  ...[kratosDigest, kratosHmac, magento, logto, passwapMd5],
  ...[mysql41, mysql323, postgresMd5, ...forums],
  ...never,
];
