/**
 * The least that a `node:http` server can do for the same answer: one process, constant headers, no
 * routing, no check. What a token check is measured against; and the signature of a new token by itself.
 */
import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { createServer } from 'node:http';
import { serve } from './peer.js';

const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const tokenBytes = 400;
const signatures = Array.from({ length: 256 }, (_, i) =>
  sign(null, Buffer.alloc(tokenBytes, i), privateKey),
);

const calls = {
  listen: ({ headers, body }: { headers: Record<string, string>; body: string }) =>
    new Promise<number>((resolve) => {
      const server = createServer({ noDelay: true }, (_req, res) => {
        res.writeHead(200, headers);
        res.end(body);
      });
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    }),
  /** Looks at `count` Ed25519 signatures over as many bytes as a token has. */
  checkSignatures: (count: number) => {
    for (let i = 0; i < count; i++) {
      const input = Buffer.alloc(tokenBytes, i);
      if (!verify(null, input, publicKey, signatures[i % signatures.length] ?? input))
        throw new Error('a good signature was refused');
    }
  },
};
export type BareCalls = typeof calls;

serve(calls);
