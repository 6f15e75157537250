/** A child that answers what it is asked after a while, and says what it is handed. */
process.on('message', (message) => {
  if (message.t === 'collected') process.send(message);
  const part = { t: 'part', id: message.id, part: [{ it: 'is here' }] };
  const afterMs = Number(process.env.ANSWERS_AFTER_MS);
  if (message.t === 'collect') setTimeout(() => process.send(part), afterMs);
});
process.on('disconnect', () => process.exit());
process.send('ready');
