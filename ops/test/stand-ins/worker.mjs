/** A node that only lives and dies: says ready, drains for a moment, obeys a few settings of the tests. */
if (process.env.STAND_IN_FAIL === process.env.NODE_ID) {
  process.stderr.write('floodgate: cannot start: ARGON2_PASSES must be a whole number.\n');
  process.exit(1);
}
const drain = () => {
  console.log(JSON.stringify({ level: 'info', msg: `drained ${process.env.NODE_ID}` }));
  setTimeout(() => process.exit(0), Number(process.env.STAND_IN_DRAIN_MS ?? 50));
};
if (process.env.STAND_IN_DEAF !== process.env.NODE_ID) {
  process.once('SIGTERM', drain);
  process.once('disconnect', drain);
} else {
  process.on('SIGTERM', () => {});
}
setInterval(() => {}, 1000);
process.send('ready');
