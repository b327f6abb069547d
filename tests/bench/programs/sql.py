# SPDX-License-Identifier: MIT
"""sql.py: the script that sqlite3 runs on :memory:."""


def script(scale):
	"""Inserts, indexes, joins, aggregates, updates and deletes as one text."""
	n = int(60000 * scale)
	return f"""
.bail on
CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, city INTEGER, note TEXT);
CREATE TABLE city (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE visit (person INTEGER, city INTEGER, day INTEGER, what TEXT);
INSERT INTO city SELECT value, 'city ' || value FROM generate_series(1, 500);
INSERT INTO person SELECT value, printf('name-%05x', value * 7919 % 65521), value % 500 + 1,
	substr('the quick brown fox jumps over the lazy dog', 1 + value % 20, value % 23) FROM generate_series(1, {n});
INSERT INTO visit SELECT value * 31 % {n} + 1, value * 17 % 500 + 1, value % 365, printf('visit %d', value % 97)
	FROM generate_series(1, {2 * n});
CREATE INDEX person_name ON person (name);
CREATE INDEX visit_person ON visit (person, day);
CREATE INDEX visit_city ON visit (city);
SELECT count(*), sum(length(p.note)), max(c.name) FROM visit v JOIN person p ON p.id = v.person JOIN city c ON c.id = v.city
	WHERE v.day BETWEEN 20 AND 300;
SELECT c.name, count(*), group_concat(DISTINCT v.what) FROM city c JOIN visit v ON v.city = c.id GROUP BY c.id
	ORDER BY 2 DESC, 1 LIMIT 20;
SELECT count(*), sum(n) FROM (SELECT name, count(*) AS n FROM person GROUP BY name HAVING n > 0 ORDER BY name DESC);
UPDATE person SET note = note || ' and ' || name WHERE id % 3 = 0;
DELETE FROM visit WHERE day % 5 = 0;
SELECT count(*), sum(length(note)) FROM person;
SELECT json_group_array(json_object('id', id, 'name', name, 'note', note)) ->> '$[100].note' FROM person;
WITH RECURSIVE chain(id, depth) AS (SELECT 1, 0 UNION SELECT (id * 7 + 13) % {n} + 1, depth + 1 FROM chain WHERE depth < {n // 2})
	SELECT count(*), sum(id) FROM chain;
SELECT sum(r) FROM (SELECT rank() OVER (PARTITION BY city ORDER BY name) AS r FROM person);
""" + "".join(f"SELECT p.name, count(v.day), sum(v.day) FROM person p LEFT JOIN visit v ON v.person = p.id "
		f"WHERE p.id = {i * 37 % n + 1} OR p.name = 'name-{i:05x}';\n" for i in range(int(8000 * scale)))
