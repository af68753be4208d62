// Asks at the address in data-wait until something has happened there. Then it shows the element, or loads the page again.
'use strict';

const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

// shown returns once somebody looks at the page. A page in the background does not ask: browsers open few connections.
const shown = () => new Promise((done) => {
  if (!document.hidden) done();
  else document.addEventListener('visibilitychange', done, { once: true });
});

async function ask(address) {
  const stop = new AbortController();
  const hide = () => stop.abort();
  document.addEventListener('visibilitychange', hide, { once: true });
  try {
    const { type, status } = await fetch(address, { signal: stop.signal, redirect: 'manual' });
    return type === 'opaqueredirect' ? 403 : status; // signed out: there is nothing to wait for
  } catch {
    return 0;
  } finally {
    document.removeEventListener('visibilitychange', hide);
  }
}

async function wait(element) {
  for (;;) {
    await shown();
    const status = await ask(element.dataset.wait);
    if (status === 200 && element.hidden) element.hidden = false;
    else if (status === 200) location.reload();
    if (status === 200 || status >= 400 && status < 500) return;
    if (status !== 204) await pause(2000);
  }
}

document.querySelectorAll('[data-wait]').forEach(wait);
