/**
 * Issues the certificates that gateway and nodes know each other by: the one door to pkijs and asn1js
 * (node:crypto reads X.509 but cannot write it, and openssl is not everywhere). ECDSA P-256; a CA for
 * 10 years, what it signs for one. A certificate is good for one direction only: a node's for
 * answering, the gateway's for asking, so that a stolen node certificate commands nobody.
 */
import { createHash, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as asn1 from 'asn1js';
import * as pki from 'pkijs';

/** @typedef {{ cert: string, key: string }} Pair PEM texts. */
/** @typedef {webcrypto.CryptoKey} CryptoKey */
/** @typedef {{ name: string, uri: string, hosts: string[], usage: 'server' | 'client' }} Wanted */

const dayMs = 86_400_000;
const caDays = 3650;
const leafDays = 365;
/** Clocks of other machines may be a little behind. */
const skewMs = 300_000;

const keyType = { name: 'ECDSA', namedCurve: 'P-256' };
const oids = {
  commonName: '2.5.4.3',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
};
const usages = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' };
/** Bits of KeyUsage, from the left: digitalSignature; keyCertSign and cRLSign. */
const keyUsage = { leaf: [0x80, 7], ca: [0x06, 1] };

/** @param {string} label @param {ArrayBuffer} der */
const toPem = (label, der) => {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
};

/** @param {string} pem */
const fromPem = (pem) => Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');

const makeKeys = () => webcrypto.subtle.generateKey(keyType, true, ['sign', 'verify']);

/** @param {string} key */
const readKey = (key) =>
  webcrypto.subtle.importKey('pkcs8', fromPem(key), keyType, false, ['sign']);

/** @param {string} id @param {{ toBER(): ArrayBuffer }} value @param {boolean} [critical] */
const extension = (id, value, critical = false) =>
  new pki.Extension({ extnID: id, critical, extnValue: value.toBER() });

/** @param {pki.Certificate} cert */
const keyIdOf = (cert) => {
  const bits = cert.subjectPublicKeyInfo.subjectPublicKey.valueBlock.valueHexView;
  return new asn1.OctetString({ valueHex: createHash('sha1').update(bits).digest() });
};

/** The 16 bytes of an IPv6 address; dotted quads at its end are written out by URL. @param {string} host */
const ipv6Bytes = (host) => {
  const [head = '', tail] = new URL(`http://[${host}]`).hostname.slice(1, -1).split('::');
  const [before, after] = [head, tail ?? ''].map((part) => part.split(':').filter(Boolean));
  const missing = 8 - (before?.length ?? 0) - (after?.length ?? 0);
  const groups = [...(before ?? []), ...Array(missing).fill('0'), ...(after ?? [])];
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex');
};

/** @param {string} host */
const hostName = (host) => {
  if (isIP(host) === 0) return new pki.GeneralName({ type: 2, value: host });
  const valueHex = isIP(host) === 4 ? Uint8Array.from(host.split('.'), Number) : ipv6Bytes(host);
  return new pki.GeneralName({ type: 7, value: new asn1.OctetString({ valueHex }) });
};

/**
 * A certificate without signature and issuer.
 * @param {{ name: string, days: number, publicKey: CryptoKey, now: number }} options
 */
const draft = async ({ name, days, publicKey, now }) => {
  const cert = new pki.Certificate({ version: 2 });
  // A positive integer of 16 bytes.
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  cert.serialNumber = new asn1.Integer({ valueHex: serial });
  const value = new asn1.Utf8String({ value: name });
  cert.subject.typesAndValues.push(new pki.AttributeTypeAndValue({ type: oids.commonName, value }));
  cert.notBefore.value = new Date(now - skewMs);
  cert.notAfter.value = new Date(now + days * dayMs);
  await cert.subjectPublicKeyInfo.importKey(publicKey);
  return cert;
};

/**
 * @param {pki.Certificate} cert
 * @param {'leaf' | 'ca'} kind
 * @param {pki.Extension[]} more
 */
const extensionsOf = (cert, kind, more) => {
  const [bits = 0, unusedBits = 0] = keyUsage[kind];
  const limits = kind === 'ca' ? { cA: true, pathLenConstraint: 0 } : {};
  const usage = new asn1.BitString({ valueHex: Uint8Array.of(bits), unusedBits });
  return [
    extension(oids.basicConstraints, new pki.BasicConstraints(limits).toSchema(), true),
    extension(oids.keyUsage, usage, true),
    extension(oids.subjectKeyId, keyIdOf(cert)),
    ...more,
  ];
};

/** @param {pki.Certificate} cert @param {CryptoKey} signer @param {CryptoKey} own */
const finish = async (cert, signer, own) => {
  await cert.sign(signer, 'SHA-256');
  return {
    cert: toPem('CERTIFICATE', cert.toSchema().toBER()),
    key: toPem('PRIVATE KEY', await webcrypto.subtle.exportKey('pkcs8', own)),
  };
};

/** A new CA. @param {number} [now] @returns {Promise<Pair>} */
export const makeCa = async (now = Date.now()) => {
  const { publicKey, privateKey } = await makeKeys();
  // Two CAs must not share a name, or their certificates are mistaken for each other's.
  const name = `Floodgate CA ${randomBytes(4).toString('hex')}`;
  const cert = await draft({ name, days: caDays, publicKey, now });
  cert.issuer.typesAndValues = cert.subject.typesAndValues;
  cert.extensions = extensionsOf(cert, 'ca', []);
  return finish(cert, privateKey, privateKey);
};

/**
 * A certificate for `uri` by this CA, with a new key.
 * @param {Pair} ca
 * @param {Wanted} wanted
 * @param {number} [now]
 * @returns {Promise<Pair>}
 */
export const issue = async (ca, { name, uri, hosts, usage }, now = Date.now()) => {
  const signer = await readKey(ca.key);
  const issuer = pki.Certificate.fromBER(fromPem(ca.cert));
  const { publicKey, privateKey } = await makeKeys();
  const cert = await draft({ name, days: leafDays, publicKey, now });
  cert.issuer.typesAndValues = issuer.subject.typesAndValues;
  const names = [new pki.GeneralName({ type: 6, value: uri }), ...hosts.map(hostName)];
  const keyIdentifier = keyIdOf(issuer);
  cert.extensions = extensionsOf(cert, 'leaf', [
    extension(oids.authorityKeyId, new pki.AuthorityKeyIdentifier({ keyIdentifier }).toSchema()),
    extension(
      oids.extendedKeyUsage,
      new pki.ExtKeyUsage({ keyPurposes: [usages[usage]] }).toSchema(),
    ),
    extension(oids.subjectAltName, new pki.GeneralNames({ names }).toSchema()),
  ]);
  return finish(cert, signer, privateKey);
};
