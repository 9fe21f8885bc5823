-- A card is written when its first call comes, and once more when that call says whose it is: with room in its page the second version needs no new entry in three indexes.
ALTER TABLE contact_cards SET (fillfactor = 50);
