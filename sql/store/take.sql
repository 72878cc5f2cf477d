-- Counts a new holder, so that whatever an earlier one still sends is refused; answers the note of one that died.
UPDATE holder
SET epoch = holder.epoch + 1, note = $1
FROM (SELECT note FROM holder FOR UPDATE) AS last
RETURNING holder.epoch, last.note
