// Everything but passkeys works without this file. It decides nothing.
'use strict';

const each = (selector, fn, root = document) => root.querySelectorAll(selector).forEach(fn);

// The error summary has the focus: it is read, and Tab leads to its first link.
function focusErrors(root) {
  const summary = root.querySelector('.summary');
  if (!summary) return;
  summary.focus();
  each('a[href^="#"]', (a) => a.addEventListener('click', (event) => {
    const field = document.getElementById(a.hash.slice(1));
    if (!field) return;
    event.preventDefault();
    (field.matches('fieldset') ? field.querySelector('input') : field).focus();
  }), summary);
}

// A form is sent once, however often its button is pressed. Coming back frees it, and so does time.
function sendOnce(root) {
  each('form[method=post]', (form) => form.addEventListener('submit', (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = 'yes';
    form.setAttribute('aria-busy', 'true');
    setTimeout(() => free(form), 10000); // in case the loading was stopped
  }), root);
}

addEventListener('pageshow', (event) => {
  if (event.persisted) each('form[data-sent]', free);
});

function free(form) {
  delete form.dataset.sent;
  form.removeAttribute('aria-busy');
}

// data-copy="ID" on a button copies the text of that element, or of each list item in it, one a line.
function copyButtons(root) {
  if (!navigator.clipboard) return;
  each('[data-copy]', (button) => {
    button.hidden = false;
    const label = button.textContent;
    button.addEventListener('click', async () => {
      const source = document.getElementById(button.dataset.copy);
      const items = [...source.querySelectorAll('li')];
      const text = items.length ? items.map((li) => li.textContent.trim()).join('\n') + '\n'
        : source.dataset.value || source.textContent.trim();
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        return;
      }
      button.textContent = button.dataset.done;
      setTimeout(() => { button.textContent = label; }, 2000);
    });
  }, root);
}

function revealButtons(root) {
  each('[data-reveal]', (button) => {
    const input = document.getElementById(button.dataset.reveal);
    const [show, hide] = [button.textContent, button.dataset.hide];
    const set = (shown) => {
      input.type = shown ? 'text' : 'password';
      button.textContent = shown ? hide : show;
      button.setAttribute('aria-pressed', shown);
    };
    button.hidden = false;
    button.addEventListener('click', () => set(input.type === 'password'));
    input.form?.addEventListener('submit', () => set(false)); // so that browsers offer to save it
  }, root);
}

// data-suggest="ID" on a form: to pick a radio button suggests its label as the text of that field, until something else
// is typed there.
function suggestions(root) {
  each('form[data-suggest]', (form) => {
    const field = document.getElementById(form.dataset.suggest);
    let suggested = '';
    form.addEventListener('change', ({ target }) => {
      if (target.name !== 'app' || field.value.trim() !== suggested) return;
      suggested = target.value === 'other' ? '' : target.labels[0].textContent.trim();
      field.value = suggested;
    });
  }, root);
}

// A hint while a password is chosen. The server judges.
function meters(root) {
  each('[data-meter]', (hint) => {
    const input = document.getElementById(hint.dataset.meter);
    const says = hint.dataset.say.split('|');
    const show = () => {
      const score = strength(input.value, Number(hint.dataset.min));
      hint.hidden = input.value === '';
      hint.querySelector('meter').value = score + 1;
      hint.querySelector('span').textContent = says[score];
    };
    input.addEventListener('input', show);
  }, root);
}

// strength is 0 to 3, by how many characters are no repetition, step (abc, 321) or keyboard run.
function strength(password, least) {
  const all = [...password];
  if (all.length < least) return 0;
  const rows = 'qwertyuiop asdfghjkl zxcvbnm';
  const lower = password.toLowerCase();
  const chars = [...lower];
  const telling = chars.filter((c, i) => {
    if (i === 0) return true;
    const step = c.codePointAt(0) - chars[i - 1].codePointAt(0);
    return Math.abs(step) > 1 && !rows.includes(chars[i - 1] + c) && chars.indexOf(c) >= i - 8;
  }).length;
  const different = new Set(chars).size;
  if (different < 6 || telling < 6) return 1;
  return different < 9 || telling < 11 ? 2 : 3;
}

// data-local: a moment in the browser's zone, with the server's text as its title.
function localTimes(root) {
  const { lang } = document.documentElement;
  const format = new Intl.DateTimeFormat(lang === 'en' ? 'en-GB' : lang, {
    day: 'numeric', month: 'long', year: 'numeric', hour: '2-digit', minute: '2-digit', timeZoneName: 'short',
  });
  const short = new Intl.DateTimeFormat(format.resolvedOptions().locale, { dateStyle: 'medium', timeStyle: 'short' });
  each('time[data-local]', (time) => {
    const at = new Date(time.dateTime);
    const brief = time.dataset.local === 'short';
    time.title = brief ? format.format(at) : time.textContent;
    time.textContent = (brief ? short : format).format(at);
  }, root);
}

// data-confirm on a link: the page it leads to asks before something is done. Show it in a dialog, or go to whatever
// else comes back (a step-up, a refusal).
function confirmLinks(root) {
  each('a[data-confirm]', (link) => link.addEventListener('click', async (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    let page;
    try {
      const answer = await fetch(link.href, { credentials: 'same-origin' });
      const text = await answer.text();
      if (answer.ok && !answer.redirected) {
        page = new DOMParser().parseFromString(text, 'text/html').querySelector('[data-confirm-page]');
      }
    } catch {
      page = null;
    }
    if (!page) {
      location.assign(link.href);
      return;
    }
    openDialog(page, link);
  }), root);
}

function openDialog(page, link) {
  const dialog = document.createElement('dialog');
  const title = page.querySelector('h1');
  title.id = 'dialog-title';
  dialog.setAttribute('aria-labelledby', title.id);
  dialog.append(document.adoptNode(page));
  each('form', (form) => { form.action = form.getAttribute('action') || link.href; }, dialog);
  each('[data-cancel]', (a) => a.addEventListener('click', (event) => {
    event.preventDefault();
    dialog.close();
  }), dialog);
  dialog.addEventListener('close', () => {
    dialog.remove();
    (link.checkVisibility() ? link : document.querySelector(`[popovertarget="${link.closest('[popover]')?.id}"]`))?.focus();
  });
  document.body.append(dialog);
  enhance(dialog);
  dialog.showModal();
}


// data-brand on a form shows its name and colour at once, with the style sheet that the server makes from the colour.
function brandPreview(root) {
  each('form[data-brand]', (form) => form.addEventListener('input', ({ target }) => {
    if (target.name === 'name') {
      document.querySelector('[data-label-preview] bdi').textContent = target.value.replaceAll(':', ' ').trim() || form.dataset.brand;
      return;
    }
    const old = document.querySelector('link[href^="/static/brand-"]');
    const link = document.createElement('link');
    link.rel = 'stylesheet';
    link.href = `/static/brand-${target.value.slice(1)}.css`;
    link.onload = () => old?.remove();
    document.head.append(link);
  }), root);
}



function enhance(root) {
  focusErrors(root);
  sendOnce(root);
  copyButtons(root);
  each('[data-print]', (button) => {
    button.hidden = false;
    button.addEventListener('click', () => print());
  }, root);
  revealButtons(root);
  suggestions(root);
  meters(root);
  localTimes(root);
  confirmLinks(root);
  // data-all on a checkbox ticks all the others of its form.
  each('[data-all]', (box) => {
    box.closest('[hidden]').hidden = false;
    box.addEventListener('change', () => each('[name=id]', (one) => { one.checked = box.checked; }, box.form));
  }, root);
  brandPreview(root);
  // data-fill="ID" on a button puts its value into that field.
  each('[data-fill]', (button) => {
    button.parentElement.hidden = false;
    button.addEventListener('click', () => {
      document.getElementById(button.dataset.fill).value = button.value;
      button.form.dispatchEvent(new Event('input'));
    });
  }, root);
  // data-unsaved is shown as long as its form holds something other than it came with.
  each('[data-unsaved][hidden]', (note) => {
    const form = note.closest('form');
    const held = () => new URLSearchParams(new FormData(form)).toString();
    const saved = held();
    form.addEventListener('input', () => { note.hidden = held() === saved; });
  }, root);
}

each('nav [aria-current]', (link) => link.scrollIntoView({ inline: 'center', block: 'nearest' }));
enhance(document); // afterwards, as this scrolls to what is wrong
each('form[data-submit]', (form) => form.requestSubmit()); // a page that is only on the way
