-- Times are Unix milliseconds, 0 for never; booleans are 0 or 1. Keys begin with the workspace, then the user.

CREATE TABLE installation (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  key_check TEXT NOT NULL,
  owner_made INTEGER NOT NULL DEFAULT 0,
  first_run_hash BLOB,
  first_run_expires INTEGER NOT NULL DEFAULT 0,
  restored_at INTEGER NOT NULL DEFAULT 0,
  counted_at INTEGER NOT NULL DEFAULT 0, -- when a node last counted people for adoption
  swept_at INTEGER NOT NULL DEFAULT 0, -- when a node last swept idle rows
  signing_at INTEGER NOT NULL DEFAULT 0, -- when a node last looked after the signing keys
  clock_at INTEGER NOT NULL DEFAULT 0, -- the latest time that a node recorded
  touched INTEGER NOT NULL DEFAULT 0 -- changes each time a node checks that it can write
) STRICT;

CREATE TABLE workspaces (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  reseller TEXT NOT NULL DEFAULT '',
  resells INTEGER NOT NULL DEFAULT 0, -- it has created other workspaces
  brand TEXT NOT NULL DEFAULT '',
  colour TEXT NOT NULL DEFAULT '',
  clock_told_at INTEGER NOT NULL DEFAULT 0, -- when its owners last got an e-mail that the clock went back
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX workspaces_reseller ON workspaces (reseller, id) WHERE reseller <> '';

CREATE TABLE hosts (
  host TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspaces (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE policies (
  workspace_id TEXT PRIMARY KEY REFERENCES workspaces (id),
  version INTEGER NOT NULL,
  require_2fa TEXT NOT NULL,
  required_from INTEGER NOT NULL DEFAULT 0,
  required_until TEXT NOT NULL DEFAULT '', -- JSON: what applies until required_from
  phishing_resistant TEXT NOT NULL DEFAULT 'optional',
  phishing_resistant_from INTEGER NOT NULL DEFAULT 0,
  phishing_resistant_until TEXT NOT NULL DEFAULT '',
  passkey_admins_since INTEGER NOT NULL DEFAULT 0,
  passkey_others_since INTEGER NOT NULL DEFAULT 0,
  approvals INTEGER NOT NULL DEFAULT 0,
  admins_since INTEGER NOT NULL DEFAULT 0, -- when a requirement of owners and admins began, or will begin; 0: unknown, or none
  others_since INTEGER NOT NULL DEFAULT 0, -- the same for managers and members
  trusted_device_days INTEGER NOT NULL,
  recovery_code_count INTEGER NOT NULL,
  recovery_code_mode TEXT NOT NULL,
  allow_reset_when_required INTEGER NOT NULL,
  invite_method TEXT NOT NULL,
  lowered TEXT NOT NULL DEFAULT '', -- JSON: the lowerings of trusted_device_days, oldest first
  shown_since INTEGER NOT NULL DEFAULT 0 -- recovery codes made under older versions are never shown again
) STRICT, WITHOUT ROWID;

-- Keys with which workspaces sign tokens for their apps. A key signs until the next one of its algorithm does.
CREATE TABLE signing_keys (
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  id TEXT NOT NULL,
  algorithm TEXT NOT NULL,
  number INTEGER NOT NULL, -- of the keys of this algorithm, from 1
  public TEXT NOT NULL, -- JSON Web Key
  private BLOB NOT NULL, -- PKCS #8, sealed
  created_at INTEGER NOT NULL,
  signs_from INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX signing_keys_number ON signing_keys (workspace_id, algorithm, number);

CREATE TABLE users (
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  id TEXT NOT NULL,
  app_id TEXT NOT NULL DEFAULT '',
  ref TEXT NOT NULL DEFAULT '',
  address TEXT NOT NULL,
  address_folded TEXT NOT NULL,
  name TEXT NOT NULL,
  name_folded TEXT NOT NULL,
  role TEXT NOT NULL,
  state TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  password_hash TEXT NOT NULL DEFAULT '',
  password_at INTEGER NOT NULL DEFAULT 0,
  password_long INTEGER NOT NULL DEFAULT 0,
  temporary_ends INTEGER NOT NULL DEFAULT 0,
  two_factor INTEGER NOT NULL DEFAULT 0, -- 1: enabled; 2: enabled, and one of the factors is a passkey
  two_factor_since INTEGER NOT NULL DEFAULT 0,
  must_set_up INTEGER NOT NULL DEFAULT 0,
  set_up_code_hash BLOB,
  set_up_code_ends INTEGER NOT NULL DEFAULT 0,
  recovery_count INTEGER NOT NULL DEFAULT 0,
  recovery_left INTEGER NOT NULL DEFAULT 0,
  recovery_made_at INTEGER NOT NULL DEFAULT 0,
  recovery_saved_at INTEGER NOT NULL DEFAULT 0,
  last_sign_in_at INTEGER NOT NULL DEFAULT 0,
  listed_at INTEGER NOT NULL DEFAULT 0, -- the last sign-in under which the user is in last_sign_ins
  last_sign_in_method TEXT NOT NULL DEFAULT '',
  sign_ins INTEGER NOT NULL DEFAULT 0, -- completed in the hour that began at sign_ins_since
  sign_ins_since INTEGER NOT NULL DEFAULT 0,
  changes INTEGER NOT NULL DEFAULT 0, -- to their own account, in the hour that began at changes_since
  changes_since INTEGER NOT NULL DEFAULT 0,
  open_sessions INTEGER NOT NULL DEFAULT 0, -- at most so many sessions exist
  browser_told_at INTEGER NOT NULL DEFAULT 0, -- last e-mail about a new browser
  asked_until INTEGER NOT NULL DEFAULT 0, -- until when a sign-in waits for approval on another device
  locked_by TEXT NOT NULL DEFAULT '', -- kind of the lock that ends at locked_until
  locked_until INTEGER NOT NULL DEFAULT 0, -- 0: no lock, or its end has been recorded
  reminded_at INTEGER NOT NULL DEFAULT 0, -- when last reminded by e-mail to set up two-factor authentication
  created_at INTEGER NOT NULL,
  profile_at INTEGER NOT NULL DEFAULT 0, -- when the name or the address last changed
  joined_under INTEGER NOT NULL DEFAULT 0, -- version of the policy at created_at
  PRIMARY KEY (workspace_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX users_address ON users (workspace_id, app_id, address_folded) WHERE address_folded <> '';
CREATE UNIQUE INDEX users_ref ON users (workspace_id, app_id, ref) WHERE ref <> '';
-- The list of people: each order has one index without and one with filters. A filter is a union of ranges of the
-- second. The columns after the id are those that a policy with a date also needs, so that it need not read the rows.
CREATE INDEX users_by_name ON users (workspace_id, name_folded, id);
CREATE INDEX users_by_address ON users (workspace_id, address_folded, id);
CREATE INDEX users_by_created ON users (workspace_id, created_at, id);
CREATE INDEX users_filtered_by_name ON users (workspace_id, role, state, two_factor, must_set_up, name_folded, id, joined_under);
CREATE INDEX users_filtered_by_address ON users (workspace_id, role, state, two_factor, must_set_up, address_folded, id, joined_under);
CREATE INDEX users_filtered_by_created ON users (workspace_id, role, state, two_factor, must_set_up, created_at, id, joined_under);
-- Few people are locked, so their list needs no index for each order.
CREATE INDEX users_locked ON users (workspace_id, locked_until, id) WHERE locked_until <> 0;
CREATE INDEX users_lock_ends ON users (locked_until) WHERE locked_until <> 0;
-- People who get reminders, those reminded longest ago first.
CREATE INDEX users_unreminded ON users (workspace_id, reminded_at, id) WHERE state = 'active' AND two_factor = 0 AND address <> '';

-- The index for searching people, with an entry for each word of the name and the address (internal/fold). The columns
-- of the filters are copied from the user, so that a search with filters is a union of ranges too.
CREATE TABLE entries (
  workspace_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  words TEXT NOT NULL,
  shared INTEGER NOT NULL,
  role TEXT NOT NULL,
  state TEXT NOT NULL,
  two_factor INTEGER NOT NULL,
  must_set_up INTEGER NOT NULL,
  joined_under INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, user_id, words),
  FOREIGN KEY (workspace_id, user_id) REFERENCES users (workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX entries_words ON entries (workspace_id, role, state, two_factor, must_set_up, words, user_id, shared, joined_under);

-- The order by last sign-in. An index over it in users would have each sign-in write all indexes of the user. A row's
-- time is users.listed_at: a sign-in does not move it, its seal does. The order itself is the key, so a move writes one
-- tree; there is no foreign key, which would need a second one.
CREATE TABLE last_sign_ins (
  workspace_id TEXT NOT NULL,
  role TEXT NOT NULL,
  state TEXT NOT NULL,
  two_factor INTEGER NOT NULL,
  must_set_up INTEGER NOT NULL,
  at INTEGER NOT NULL,
  user_id TEXT NOT NULL,
  joined_under INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, role, state, two_factor, must_set_up, at, user_id, joined_under)
) STRICT, WITHOUT ROWID;

CREATE TABLE authenticators (
  workspace_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  algorithm TEXT NOT NULL,
  secret BLOB NOT NULL, -- sealed
  last_step INTEGER NOT NULL,
  used_steps TEXT NOT NULL DEFAULT '', -- the newest time steps that were used, in decimal, separated by spaces
  refused_steps TEXT NOT NULL DEFAULT '', -- future time steps that are refused, in decimal, separated by spaces
  created_at INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL DEFAULT 0,
  last_used_from TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (workspace_id, user_id, id),
  FOREIGN KEY (workspace_id, user_id) REFERENCES users (workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Passkeys and security keys. Nothing in them is secret.
CREATE TABLE passkeys (
  workspace_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  credential BLOB NOT NULL, -- the id by which authenticators know it
  public_key BLOB NOT NULL, -- COSE_Key
  counter INTEGER NOT NULL,
  transports TEXT NOT NULL, -- separated by spaces
  model BLOB NOT NULL, -- AAGUID
  backup_eligible INTEGER NOT NULL,
  backed_up INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL DEFAULT 0,
  last_used_from TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (workspace_id, user_id, id),
  FOREIGN KEY (workspace_id, user_id) REFERENCES users (workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX passkeys_credential ON passkeys (workspace_id, credential);

-- Challenges for passkeys that were answered. One that was not answered has no row.
CREATE TABLE challenges (
  workspace_id TEXT NOT NULL,
  hash BLOB NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX challenges_expires ON challenges (expires_at);

-- The newest request of each user to approve a sign-in on another device.
CREATE TABLE approvals (
  workspace_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  id TEXT NOT NULL,
  sign_in TEXT NOT NULL, -- that asked
  number INTEGER NOT NULL,
  state TEXT NOT NULL,
  failed INTEGER NOT NULL, -- requests in a row before this one that were refused or not answered
  agent TEXT NOT NULL,
  address TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, user_id),
  FOREIGN KEY (workspace_id, user_id) REFERENCES users (workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX approvals_expires ON approvals (expires_at);

CREATE TABLE drafts (
  workspace_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  holder TEXT NOT NULL, -- id of the session or sign-in
  epoch INTEGER NOT NULL,
  name TEXT NOT NULL,
  replaces TEXT NOT NULL DEFAULT '', -- id of the authenticator that this replaces when confirmed, 'all', or ''
  secret BLOB NOT NULL, -- sealed
  refused_steps TEXT NOT NULL DEFAULT '',
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, user_id, holder),
  FOREIGN KEY (workspace_id, user_id) REFERENCES users (workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE recovery_codes (
  workspace_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  hash BLOB NOT NULL,
  position INTEGER NOT NULL,
  code BLOB, -- sealed; NULL if it is never shown again
  used_at INTEGER NOT NULL DEFAULT 0,
  policy_version INTEGER NOT NULL DEFAULT 0, -- under which it was made
  PRIMARY KEY (workspace_id, user_id, hash),
  FOREIGN KEY (workspace_id, user_id) REFERENCES users (workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Workspaces in which the text of recovery codes is still being erased, and how far that is done. Run continues it.
CREATE TABLE erasures (
  workspace_id TEXT PRIMARY KEY REFERENCES workspaces (id),
  before_version INTEGER NOT NULL, -- of the policy: of codes made under older versions, only the hash stays
  after_user TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Deleted people whose mail and personal data in events are still being erased, and deleted groups whose memberships are, and
-- how far that is done. Run continues it.
CREATE TABLE deletions (
  workspace_id TEXT NOT NULL,
  user_id TEXT NOT NULL, -- or the id of the group
  phase INTEGER NOT NULL DEFAULT 0, -- 0: mail, 1: events whose subject they are, 2: events whose actor they are, 3: memberships of the group
  after_id TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (workspace_id, user_id)
) STRICT, WITHOUT ROWID;

-- Known devices. They never let anyone skip a second factor.
CREATE TABLE browsers (
  workspace_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  hash BLOB NOT NULL,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, user_id, hash),
  FOREIGN KEY (workspace_id, user_id) REFERENCES users (workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX browsers_hash ON browsers (workspace_id, hash);

CREATE TABLE trusted_devices (
  workspace_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  id TEXT NOT NULL,
  hash BLOB NOT NULL,
  previous_hash BLOB,
  rotated_at INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  days INTEGER NOT NULL,
  browser_hash BLOB NOT NULL,
  name TEXT NOT NULL,
  address TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, user_id, id),
  FOREIGN KEY (workspace_id, user_id) REFERENCES users (workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE tries (
  workspace_id TEXT NOT NULL,
  subject TEXT NOT NULL, -- user id, HMAC of a sign-in name that no user has, or IP address
  bucket TEXT NOT NULL,
  count INTEGER NOT NULL DEFAULT 0,
  since INTEGER NOT NULL DEFAULT 0,
  in_row INTEGER NOT NULL DEFAULT 0,
  last INTEGER NOT NULL DEFAULT 0,
  until INTEGER NOT NULL DEFAULT 0,
  earlier INTEGER NOT NULL DEFAULT 0, -- count of the previous window
  PRIMARY KEY (workspace_id, subject, bucket)
) STRICT, WITHOUT ROWID;

-- No foreign key: each sign-in would pay for it, and every reader of a row reads its user first (docs/decisions/0020).
CREATE TABLE sign_ins (
  workspace_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  id TEXT NOT NULL,
  hash BLOB NOT NULL,
  epoch INTEGER NOT NULL,
  proofs TEXT NOT NULL, -- method@time, separated by spaces
  door TEXT NOT NULL,
  parked TEXT NOT NULL DEFAULT '',
  wrong INTEGER NOT NULL DEFAULT 0,
  enrolled INTEGER NOT NULL DEFAULT 0, -- it set up two-factor authentication
  known INTEGER NOT NULL DEFAULT 0, -- it began in a known device
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, user_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_ins_expires ON sign_ins (expires_at);

-- No foreign key, as with sign_ins, and no further index: each sign-in would have to write both.
CREATE TABLE sessions (
  workspace_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  id TEXT NOT NULL,
  hash BLOB NOT NULL,
  epoch INTEGER NOT NULL,
  proofs TEXT NOT NULL, -- method@time, separated by spaces
  door TEXT NOT NULL,
  address TEXT NOT NULL,
  browser TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  parked BLOB, -- a confirmed action that waits for step-up, sealed
  parked_at INTEGER NOT NULL DEFAULT 0,
  woke_at INTEGER NOT NULL DEFAULT 0, -- when last used after an hour without use
  PRIMARY KEY (workspace_id, user_id, id)
) STRICT, WITHOUT ROWID;

-- Mailed links, including invitations: single use, one purpose, and at most one of a kind for each user, except for
-- links that undo a change of the e-mail address.
CREATE TABLE links (
  workspace_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  id TEXT NOT NULL,
  kind TEXT NOT NULL,
  hash BLOB NOT NULL,
  epoch INTEGER NOT NULL, -- 0: valid in every epoch of the user
  data BLOB, -- sealed
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, user_id, id),
  FOREIGN KEY (workspace_id, user_id) REFERENCES users (workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX links_expires ON links (expires_at);

-- Events outlive people, so they have no foreign key to users. Sealing fills in the last two columns. address, browser
-- and salt are erased with the person they belong to. Nothing else ever changes.
CREATE TABLE events (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  actor TEXT NOT NULL,
  actor_kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  door TEXT NOT NULL,
  address TEXT NOT NULL, -- personal, erasable
  browser TEXT NOT NULL, -- personal, erasable
  salt BLOB, -- of personal_hash; erased with address and browser
  personal_hash BLOB NOT NULL,
  result TEXT NOT NULL,
  app TEXT NOT NULL DEFAULT '', -- id of the app that it is about
  detail TEXT NOT NULL, -- JSON object of strings, or empty
  mac BLOB NOT NULL, -- of all columns before it that are not erasable
  seal_batch INTEGER,
  seal_position INTEGER, -- in the batch, from 1
  PRIMARY KEY (workspace_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX events_subject ON events (workspace_id, subject, id);
CREATE INDEX events_actor ON events (workspace_id, actor, id) WHERE actor <> subject;
-- The most frequent kind is found by reading back through all events, which saves each sign-in an index.
CREATE INDEX events_kind ON events (workspace_id, kind, id) WHERE kind <> 'sign_in.completed';
CREATE INDEX events_address ON events (workspace_id, address, id) WHERE address <> '';
CREATE INDEX events_app ON events (workspace_id, app, id) WHERE app <> '';
CREATE INDEX events_refused ON events (workspace_id, id) WHERE result = 'refused';
CREATE INDEX events_unsealed ON events (workspace_id, id) WHERE seal_batch IS NULL;
CREATE INDEX events_sealed ON events (workspace_id, seal_batch, seal_position) WHERE seal_batch IS NOT NULL;

-- The audit log's chain: each seal closes a batch of events and continues the one before it.
CREATE TABLE seals (
  workspace_id TEXT NOT NULL,
  batch INTEGER NOT NULL,
  count INTEGER NOT NULL,
  at INTEGER NOT NULL,
  previous BLOB NOT NULL,
  hash BLOB NOT NULL,
  mac BLOB NOT NULL,
  PRIMARY KEY (workspace_id, batch)
) STRICT, WITHOUT ROWID;

-- The first and last batch of each chain, so that a piece cut off either end is detected.
CREATE TABLE seal_heads (
  workspace_id TEXT PRIMARY KEY,
  first INTEGER NOT NULL,
  batch INTEGER NOT NULL,
  hash BLOB NOT NULL,
  mac BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  address TEXT NOT NULL,
  subject TEXT NOT NULL,
  body BLOB, -- sealed; erased once it is sent or of no further use
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  tried_from INTEGER NOT NULL DEFAULT 0, -- the first attempt that failed; three days after it, the mail is given up
  next_at INTEGER NOT NULL, -- while it is leased: the end of the lease
  lease TEXT NOT NULL DEFAULT '',
  expires_at INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  sent_at INTEGER NOT NULL DEFAULT 0,
  error TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (workspace_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_next ON outbox (next_at) WHERE state = 'waiting';
CREATE INDEX outbox_state ON outbox (workspace_id, state, id);

-- How many people have two-factor authentication, one row a day: the last count of each day.
CREATE TABLE adoption (
  workspace_id TEXT NOT NULL,
  day INTEGER NOT NULL, -- since 1970-01-01, UTC
  people INTEGER NOT NULL,
  enabled INTEGER NOT NULL,
  passkeys INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (workspace_id, day)
) STRICT, WITHOUT ROWID;

-- The newest round of reminders to set up two-factor authentication. Run queues the rest of its mails.
CREATE TABLE reminders (
  workspace_id TEXT PRIMARY KEY REFERENCES workspaces (id),
  started_at INTEGER NOT NULL,
  queued INTEGER NOT NULL, -- mails so far
  ended_at INTEGER NOT NULL -- 0: not yet
) STRICT, WITHOUT ROWID;
CREATE INDEX reminders_open ON reminders (workspace_id) WHERE ended_at = 0;

-- Steps that owners of a workspace ticked in their list of first steps.
CREATE TABLE first_steps (
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  step TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, step)
) STRICT, WITHOUT ROWID;

-- Groups of people, which decide who may use which app.
CREATE TABLE groups (
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  name_folded TEXT NOT NULL,
  people INTEGER NOT NULL DEFAULT 0, -- how many are in it
  created_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX groups_name ON groups (workspace_id, name_folded);

-- Who is in which group. Words and the columns of the filters are copied from the user, as in entries, so that the list of
-- a group's people is a union of ranges too. There is no foreign key to the group: a group of a million people is deleted at
-- once, and its rows here are erased afterwards, page by page (deletions).
CREATE TABLE memberships (
  workspace_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  group_id TEXT NOT NULL,
  words TEXT NOT NULL,
  role TEXT NOT NULL,
  state TEXT NOT NULL,
  two_factor INTEGER NOT NULL,
  must_set_up INTEGER NOT NULL,
  joined_under INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, user_id, group_id),
  FOREIGN KEY (workspace_id, user_id) REFERENCES users (workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_group ON memberships (workspace_id, group_id, user_id);
CREATE INDEX memberships_listed ON memberships (workspace_id, group_id, role, state, two_factor, must_set_up, words, user_id, joined_under);

CREATE TABLE apps (
  workspace_id TEXT NOT NULL REFERENCES workspaces (id),
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  name_folded TEXT NOT NULL,
  address TEXT NOT NULL, -- that the launcher opens; empty: it does not show the app
  colour TEXT NOT NULL, -- empty: that of the brand
  access TEXT NOT NULL,
  level TEXT NOT NULL,
  fresh INTEGER NOT NULL, -- minutes
  enabled INTEGER NOT NULL,
  epoch INTEGER NOT NULL, -- raised to end everything that the app was issued
  rules TEXT NOT NULL DEFAULT '', -- of its hosts behind a proxy, one per line
  tokens INTEGER NOT NULL DEFAULT 0,
  client TEXT NOT NULL DEFAULT '', -- JSON: how it uses OpenID Connect; empty: it does not
  client_epoch INTEGER NOT NULL DEFAULT 0, -- raised to end everything that it was issued by OpenID Connect
  created_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX apps_name ON apps (workspace_id, name_folded);

CREATE TABLE app_groups (
  workspace_id TEXT NOT NULL,
  app_id TEXT NOT NULL,
  group_id TEXT NOT NULL,
  PRIMARY KEY (workspace_id, app_id, group_id),
  FOREIGN KEY (workspace_id, app_id) REFERENCES apps (workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX app_groups_group ON app_groups (workspace_id, group_id);

-- Hosts of apps behind a proxy. An origin belongs to one app of the whole installation.
CREATE TABLE app_hosts (
  origin TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL,
  app_id TEXT NOT NULL,
  FOREIGN KEY (workspace_id, app_id) REFERENCES apps (workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX app_hosts_app ON app_hosts (workspace_id, app_id);

-- Secrets with which an app proves itself to the OpenID Connect endpoints.
CREATE TABLE app_secrets (
  workspace_id TEXT NOT NULL,
  app_id TEXT NOT NULL,
  id TEXT NOT NULL,
  hash BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL DEFAULT 0,
  expires_at INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (workspace_id, app_id, id),
  FOREIGN KEY (workspace_id, app_id) REFERENCES apps (workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Browsers that are signed in to a host of an app behind a proxy: each is part of a session, and ends with it. No foreign
-- key, as with sessions.
CREATE TABLE app_sessions (
  workspace_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  id TEXT NOT NULL,
  hash BLOB NOT NULL,
  epoch INTEGER NOT NULL, -- of the user
  session_id TEXT NOT NULL,
  proofs TEXT NOT NULL, -- that the session had by then
  app_id TEXT NOT NULL,
  app_epoch INTEGER NOT NULL,
  origin TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  refused_at INTEGER NOT NULL DEFAULT 0, -- when the audit log last got a refusal of it
  PRIMARY KEY (workspace_id, user_id, id)
) STRICT, WITHOUT ROWID;

-- With a ticket, a browser gets an app session on a host.
CREATE TABLE tickets (
  workspace_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  id TEXT NOT NULL,
  hash BLOB NOT NULL,
  epoch INTEGER NOT NULL,
  session_id TEXT NOT NULL,
  app_id TEXT NOT NULL,
  app_epoch INTEGER NOT NULL,
  origin TEXT NOT NULL,
  target TEXT NOT NULL, -- where the browser was going
  browser_hash BLOB NOT NULL, -- of the cookie that it has on the host
  expires_at INTEGER NOT NULL,
  redeemed_at INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (workspace_id, user_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX tickets_expires ON tickets (expires_at);

-- Access tokens with which programs use an app behind a proxy, in place of a person.
CREATE TABLE app_tokens (
  workspace_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  id TEXT NOT NULL,
  hash BLOB NOT NULL,
  epoch INTEGER NOT NULL,
  app_id TEXT NOT NULL,
  app_epoch INTEGER NOT NULL,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL DEFAULT 0,
  refused_at INTEGER NOT NULL DEFAULT 0, -- as in app_sessions
  PRIMARY KEY (workspace_id, user_id, id),
  FOREIGN KEY (workspace_id, user_id) REFERENCES users (workspace_id, id) ON DELETE CASCADE,
  FOREIGN KEY (workspace_id, app_id) REFERENCES apps (workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX app_tokens_app ON app_tokens (workspace_id, app_id);

-- Requests of apps that wait for a person to sign in, or to confirm something.
CREATE TABLE app_requests (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  app_id TEXT NOT NULL,
  browser_hash BLOB, -- of the secret of the browser that may go on; NULL: the first one that opens it
  pushed_hash BLOB, -- of the secret of a pushed request
  params TEXT NOT NULL, -- JSON
  account TEXT NOT NULL DEFAULT '', -- id of the session that was chosen
  consent TEXT NOT NULL DEFAULT '', -- id of the user who agreed
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, id),
  FOREIGN KEY (workspace_id, app_id) REFERENCES apps (workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX app_requests_browser ON app_requests (workspace_id, browser_hash, id);
CREATE INDEX app_requests_app ON app_requests (workspace_id, app_id);
CREATE INDEX app_requests_expires ON app_requests (expires_at);

-- What apps were issued: a code, and everything that came of it.
CREATE TABLE grants (
  workspace_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  id TEXT NOT NULL,
  app_id TEXT NOT NULL,
  session_id TEXT NOT NULL,
  user_epoch INTEGER NOT NULL,
  app_epoch INTEGER NOT NULL,
  scopes TEXT NOT NULL,
  claims TEXT NOT NULL, -- JSON
  nonce TEXT NOT NULL,
  redirect TEXT NOT NULL,
  challenge TEXT NOT NULL,
  proofs TEXT NOT NULL, -- of the session when it was issued
  code_hash BLOB,
  code_ends INTEGER NOT NULL,
  redeemed_at INTEGER NOT NULL DEFAULT 0,
  ended_at INTEGER NOT NULL DEFAULT 0,
  refresh_hash BLOB,
  previous_hash BLOB,
  root_hash BLOB, -- hash of the first refresh token
  rotations INTEGER NOT NULL DEFAULT 0,
  rotated_at INTEGER NOT NULL DEFAULT 0,
  quiet INTEGER NOT NULL, -- there were too many lately to record each
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, user_id, id),
  FOREIGN KEY (workspace_id, user_id) REFERENCES users (workspace_id, id) ON DELETE CASCADE,
  FOREIGN KEY (workspace_id, app_id) REFERENCES apps (workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_app ON grants (workspace_id, app_id);
CREATE INDEX grants_expires ON grants (expires_at);

CREATE TABLE access_tokens (
  workspace_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  hash BLOB NOT NULL,
  grant_id TEXT NOT NULL,
  session_id TEXT NOT NULL, -- it ends with this session; empty: it does not
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, user_id, hash),
  FOREIGN KEY (workspace_id, user_id, grant_id) REFERENCES grants (workspace_id, user_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX access_tokens_grant ON access_tokens (workspace_id, user_id, grant_id);
CREATE INDEX access_tokens_expires ON access_tokens (expires_at);

-- Devices without a browser that wait for a person.
CREATE TABLE device_codes (
  workspace_id TEXT NOT NULL,
  id TEXT NOT NULL,
  app_id TEXT NOT NULL,
  hash BLOB NOT NULL,
  user_code TEXT NOT NULL, -- keyed hash
  scopes TEXT NOT NULL,
  state TEXT NOT NULL,
  user_id TEXT NOT NULL DEFAULT '',
  grant_id TEXT NOT NULL DEFAULT '',
  polled_at INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (workspace_id, id),
  FOREIGN KEY (workspace_id, app_id) REFERENCES apps (workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX device_codes_user_code ON device_codes (workspace_id, user_code);
CREATE INDEX device_codes_app ON device_codes (workspace_id, app_id);
CREATE INDEX device_codes_expires ON device_codes (expires_at);

-- Apps to tell when a session is ended.
CREATE TABLE session_apps (
  workspace_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  session_id TEXT NOT NULL,
  app_id TEXT NOT NULL,
  PRIMARY KEY (workspace_id, user_id, session_id, app_id),
  FOREIGN KEY (workspace_id, user_id) REFERENCES users (workspace_id, id) ON DELETE CASCADE,
  FOREIGN KEY (workspace_id, app_id) REFERENCES apps (workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX session_apps_app ON session_apps (workspace_id, app_id);

-- Messages to apps about sessions that have ended, until they were delivered or given up.
CREATE TABLE logouts (
  workspace_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  id TEXT NOT NULL,
  session_id TEXT NOT NULL,
  app_id TEXT NOT NULL,
  state TEXT NOT NULL,
  lease TEXT NOT NULL DEFAULT '',
  attempts INTEGER NOT NULL DEFAULT 0,
  tried_from INTEGER NOT NULL DEFAULT 0,
  next_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  error TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (workspace_id, user_id, id),
  FOREIGN KEY (workspace_id, app_id) REFERENCES apps (workspace_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX logouts_app ON logouts (workspace_id, app_id);
CREATE INDEX logouts_due ON logouts (state, next_at);
