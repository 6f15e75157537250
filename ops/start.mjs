/**
 * `npm start`. This file only makes sure that this Node is new enough, with nothing in it that an old
 * one could not read; launcher.mjs does the work.
 */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `Floodgate needs Node.js 20.19 or newer; this is ${process.version}. See https://nodejs.org`,
  );
  process.exit(1);
}
const { main } = await import('./launcher.mjs');
await main();
