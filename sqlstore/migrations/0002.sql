-- A seal lists its events, so an event's row is no longer written a second time. Seals that have no list are from before,
-- and the last two columns of their events say where they belong. In other events these columns stay empty.
ALTER TABLE seals ADD COLUMN events BLOB; -- ids, 16 bytes each, in order

-- The events that have no seal yet, and what sealing needs of them. A row comes with its event and goes with the seal, in the
-- same transaction.
CREATE TABLE unsealed (
  workspace_id TEXT NOT NULL,
  event_id TEXT NOT NULL,
  mac BLOB NOT NULL,
  signed_in TEXT NOT NULL, -- id of the user who completed a sign-in by it, or empty
  PRIMARY KEY (workspace_id, event_id)
) STRICT, WITHOUT ROWID;
INSERT INTO unsealed (workspace_id, event_id, mac, signed_in)
  SELECT workspace_id, id, mac, CASE kind WHEN 'sign_in.completed' THEN subject ELSE '' END FROM events WHERE seal_batch IS NULL;
DROP INDEX events_unsealed;
