// data-webauthn on a form: its button has the browser ask for a passkey, or make one, and sends what that returns. With
// data-autofill, the browser also offers passkeys among the addresses.
'use strict';

const api = window.PublicKeyCredential;

function passkey(form) {
  const options = JSON.parse(form.dataset.webauthn);
  let waiting;
  const ask = async (mediation) => {
    waiting?.abort();
    const { signal } = waiting = new AbortController();
    try {
      const publicKey = options.user ? api.parseCreationOptionsFromJSON(options) : api.parseRequestOptionsFromJSON(options);
      const key = await navigator.credentials[options.user ? 'create' : 'get']({ publicKey, mediation, signal });
      form.elements.credential.value = JSON.stringify(key);
      form.requestSubmit();
    } catch {
      form.querySelector('[data-failed]').hidden = signal.aborted || !!mediation;
    }
  };
  form.hidden = false;
  form.querySelector('button').addEventListener('click', () => ask());
  if ('autofill' in form.dataset) ask('conditional');
}

// data-unknown: a passkey that was removed here, so that the browser no longer offers it.
function forget({ dataset }) {
  api.signalUnknownCredential?.({ rpId: dataset.site, credentialId: dataset.unknown }).catch(() => {});
}

if (api?.parseRequestOptionsFromJSON) {
  document.querySelectorAll('form[data-webauthn]').forEach(passkey);
  document.querySelectorAll('[data-unknown]').forEach(forget);
}
