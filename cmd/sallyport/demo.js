// Once a second, updates the parts of the page that have changed, without scrolling it.
'use strict';

document.getElementById('reload').remove();

setInterval(async () => {
  if (document.hidden) return;
  let page;
  try {
    const answer = await fetch('/demo');
    if (!answer.ok) return;
    page = await answer.text();
  } catch {
    return; // the demo has ended or is restarting
  }
  const fresh = new DOMParser().parseFromString(page, 'text/html');
  for (const part of fresh.querySelectorAll('[data-live]')) {
    const shown = document.getElementById(part.id);
    if (!shown) return location.reload(); // a new person
    if (shown.innerHTML !== part.innerHTML) shown.innerHTML = part.innerHTML;
  }
}, 1000);
