/** A thread that dies on the password "die" and answers true to everything else after 20 ms. */
export default (port) =>
  new Promise((resolve) => {
    port.on('message', (work) => {
      if (work[1] === 'die') process.exit(3);
      setTimeout(() => port.postMessage(true), 20);
    });
    port.on('close', resolve);
    port.postMessage(true);
  });
