-- name: text
-- A spreadsheet runs a cell that begins with = + - @, a tab or a carriage return as a formula; with
-- an apostrophe in front it is text. (A NUL would be another, but no text here can hold one.) Nearly
-- everything begins with a letter or a digit: letters pass after one comparison. What is below them is
-- looked up in a set of bits, one for each character, which costs half of comparing it with each of
-- the six: 9 and 13, 43 and 45, 61, 64. An empty text is written as what is missing is: as nothing.
CASE WHEN ascii({value}) > 64 THEN {value}
     WHEN get_bit('\x002200000028002001'::bytea, ascii({value})) = 1 THEN '''' || {value}
     ELSE nullif({value}, '') END

-- name: moment
-- ISO 8601 with the offset of the session's zone, e.g. 2022-01-01T00:00:00-08:00.
to_jsonb({value}) #>> '{{}}'

-- name: text_unless_plain
-- Not looked at where the row says that none of its texts is a formula.
CASE WHEN source."{plain_if}" THEN {value} ELSE {guarded} END

-- name: present
-- Nothing as an empty text, for a file of which no value may be NULL.
coalesce(({value})::text, '')
