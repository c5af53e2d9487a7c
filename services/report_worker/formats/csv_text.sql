-- name: text
-- A spreadsheet runs a cell that begins with = + - @, a tab or a carriage return as a formula; with
-- an apostrophe in front it is text. (A NUL would be another, but no text here can hold one.) Nearly
-- everything begins with a letter or a digit: letters pass after one comparison, which is half the
-- cost of looking through the list. What is missing stays missing.
CASE WHEN ascii({value}) > 64 THEN {value}
     WHEN ascii({value}) IN (61, 43, 45, 64, 9, 13) THEN '''' || {value}
     ELSE {value} END

-- name: moment
-- ISO 8601 with the offset of the session's zone, e.g. 2022-01-01T00:00:00-08:00.
to_jsonb({value}) #>> '{{}}'
