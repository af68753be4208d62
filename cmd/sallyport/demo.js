// Takes over what has changed, once a second, without moving the page.
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
    return; // the demo has ended, or starts anew
  }
  const fresh = new DOMParser().parseFromString(page, 'text/html');
  for (const part of fresh.querySelectorAll('[data-live]')) {
    const shown = document.getElementById(part.id);
    if (!shown) return location.reload(); // somebody new
    if (shown.innerHTML !== part.innerHTML) shown.innerHTML = part.innerHTML;
  }
}, 1000);
