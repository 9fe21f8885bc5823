-- A number is what people read: e164() and its twin, base's normalize_phone(), take every spelling of it, and no number that cannot be called. Until now both counted ASCII digits.
-- Each character becomes what it means (digits, letters, "+", "(", ")", ",", ";", "#", ":", "=", a space, "-" for whatever else may stand between digits, nothing for what is not seen),
-- and a small grammar reads those. The lists are Unicode's as ICU 72 has them; base asks ICU itself, and a test feeds both the same texts.
-- Locks: none. Rows that were written by the former rule are folded by the migrations of their owners.
SET LOCAL jit = off;  -- compiling would take longer than all of it
DO $make$
DECLARE
  seen  text;  -- characters beyond ASCII
  means text;  -- and what each is read as; those at the end, which have no partner, become nothing
  body  constant text := $body$
DECLARE
  s      text := number;
  parts  text[];
  sign   boolean;
  space  boolean;
  digits text;
BEGIN
  IF number ~ '^\+[1-9][0-9]+$' THEN  -- as numbers are kept
    digits := substr(number, 2);
  ELSE
    IF octet_length(s) <> length(s) THEN s := regexp_replace(translate(s, E'@seen@', @means@), '[\U000E0000-\U000E0FFF]', '', 'g'); END IF;
    s := translate(lower(s COLLATE "C"), E'[{<]}>./\\_~|''"`\t\n\x0b\f\r\x01\x02\x03\x04\x05\x06\x07\b\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f', '((()))--------------');
    -- What may follow a number: a parameter of RFC 3966 (";ext=45"), or an extension of at most seven digits (more are another number).
    parts := regexp_match(s, '^[- ()]*(?:(?:tel|callto|sms)[-: ()]*)?([-+ ()]*)([0-9][-0-9 ()]*)'
      '(?:;[-a-z]+=.*|(?:[,;#][- ,;#()]*(?:(?:ext(?:ension|n)?|xtn?|x)[-:= ,;#()]*)?|(?:ext(?:ension|n)?|xtn?|x)[-:= ,;#()]*)(?:[0-9][- ,;#()]*){0,7})?$');
    IF parts IS NULL THEN RETURN NULL; END IF;
    sign := parts[1] LIKE '%+%';
    space := number LIKE ' %';  -- in a query string "+1202…" arrives as " 1202…"; what is no number so may be one with the space left off
    -- "(0)" behind a country code is no digit, except Italy's, which is dialled from abroad too.
    digits := regexp_replace(regexp_replace(parts[2], '\([- ]*0[- ]*\)', '*', 'g'), '[^0-9*]', '', 'g');
    IF sign OR space OR digits ~ '^0(11|0)' THEN digits := regexp_replace(digits, '^((?:011|00)?(?!39\*)[1-9][0-9]{0,2})\*', '\1'); END IF;
    digits := replace(digits, '*', '0');
    IF NOT sign AND length(digits) = 10 THEN digits := '1' || digits;
    ELSIF digits ~ '^0(11|0)' THEN digits := regexp_replace(digits, '^0(11|0)', '');
    ELSIF NOT sign AND NOT space AND NOT (length(digits) = 11 AND digits LIKE '1%') THEN RETURN NULL; END IF;
  END IF;
  IF digits !~ '^([2-9][0-9]{6,14}|1[2-9][0-9]{9})$' THEN RETURN CASE WHEN space THEN public.e164(ltrim(number)) END; END IF;
  -- What networks send for a hidden caller: ANONYMOUS, RESTRICTED (also taken for a number of North America), UNAVAILABLE, UNKNOWN, BLOCKED, PRIVATE, WITHHELD on a keypad.
  IF digits IN ('266696687', '7378742833', '17378742833', '86282452253', '8656696', '2562533', '7748283', '94484353') THEN RETURN CASE WHEN space THEN public.e164(ltrim(number)) END; END IF;
  -- All digits alike behind the country code (ITU-T E.164).
  IF digits ~ '^(?:[17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|(?:2[1-689]|3[578]|42|5[09]|6[7-9]|8[03579]|9[679])[0-9])([0-9])\1*$' THEN RETURN CASE WHEN space THEN public.e164(ltrim(number)) END; END IF;
  RETURN '+' || digits;
END $body$;
BEGIN
  WITH kinds (n, meaning, ranges) AS (VALUES
    (1, '-', '85 a0 1680 2000-200a 2028-2029 202f 205f 3000'),                                                                                    -- white space
    (2, '-', '58a 5be 1400 1806 2010-2015 2053 207b 208b 2212 2e17 2e1a 2e3a-2e3b 2e40 2e5d 301c 3030 30a0 fe31-fe32 fe58 fe63 10ead'),           -- dashes
    (3, '-', 'b4 b7 2d7 387 6d4 2018-201f 2022 2024 2027 2032-2033 2043-2044 2215 2219 223c 22c5 2796 2800 29f8 3002 30fb-30fc fe52 ff61 ff65 ff70'),
    (4, '+', '207a 208a 2795 fb29 fe62'),
    (5, '(', '207d 208d 2768 276a 276c 276e 2770 27e8 3008 300a 300c 300e 3010 3014 3016 3018 301a fe59 fe5b fe5d'),
    (6, ')', '207e 208e 2769 276b 276d 276f 2771 27e9 3009 300b 300d 300f 3011 3015 3017 3019 301b fe5a fe5c fe5e'),
    (7, ',', '60c 3001 fe50-fe51 ff64'), (7, ';', '61b fe54'), (7, '#', 'fe5f'), (7, ':', 'fe55'), (7, 'o', 'd3 f3'),
    (8, '', '80-84 86-9f ad 300-36f 61c 115f-1160 17b4-17b5 180b-180f 200b-200f 202a-202e 2060-206f 20d0-20ff 3164 fe00-fe0f feff ffa0 fff0-fffc 1bca0-1bca3 1d173-1d17a')),
  zeros (z) AS (SELECT ('x' || lpad(z, 8, '0'))::bit(32)::int FROM string_to_table(
    '660 6f0 7c0 966 9e6 a66 ae6 b66 be6 c66 ce6 d66 de6 e50 ed0 f20 1040 1090 17e0 1810 1946 19d0 1a80 1a90 1b50 1bb0 1c40 1c50 a620 a8d0 a900 a9d0 a9f0 aa50 abf0 104a0 10d30 11066 110f0 '
    '11136 111d0 112f0 11450 114d0 11650 116c0 11730 118e0 11950 11c50 11d50 11da0 11f50 16a60 16ac0 16b50 1d7ce 1d7d8 1d7e2 1d7ec 1d7f6 1e140 1e2f0 1e4f0 1e950 1fbf0', ' ') z),
  characters (n, c, meaning) AS (
    SELECT -1, c, chr(c) FROM generate_series(x'20'::int, x'7e'::int) c  -- most characters are found at once
    UNION ALL SELECT 0, z + d, d::text FROM zeros, generate_series(0, 9) d
    UNION ALL SELECT 0, c, chr(c - x'fee0'::int) FROM generate_series(x'ff01'::int, x'ff5e'::int) c  -- full width
    UNION ALL SELECT n, c, meaning FROM kinds, string_to_table(ranges, ' ') r,
                     generate_series(('x' || lpad(split_part(r, '-', 1), 8, '0'))::bit(32)::int, ('x' || lpad(split_part(r, '-', -1), 8, '0'))::bit(32)::int) c)
  SELECT string_agg('\U' || lpad(to_hex(c), 8, '0'), '' ORDER BY n, c), string_agg(meaning, '' ORDER BY n, c) INTO seen, means FROM characters;
  EXECUTE format('CREATE OR REPLACE FUNCTION e164(number text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS %L',
                 replace(replace(body, '@seen@', seen), '@means@', quote_literal(means)));
END $make$;
