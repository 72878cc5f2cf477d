-- The holder ends properly.
UPDATE holder SET note = NULL WHERE epoch = $1
