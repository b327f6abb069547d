-- SPDX-License-Identifier: MIT
-- What makes a backend's heap work: parsing and planning, sorting, hashing, aggregates, JSON.
\set aid random(1, 190000)
\set bid random(1, 2)
SELECT count(*), sum(length(j::text)) FROM (SELECT json_agg(json_build_object('a', aid, 'b', bid, 'f', filler)) AS j
	FROM pgbench_accounts WHERE aid BETWEEN :aid AND :aid + 1500 GROUP BY aid % 37) x;
SELECT md5(string_agg(x.aid::text || y.bid, ',' ORDER BY x.abalance, x.aid DESC)) FROM pgbench_accounts x
	JOIN pgbench_branches y ON x.bid = y.bid WHERE x.aid BETWEEN :aid AND :aid + 4000 AND y.bid >= :bid;
WITH a AS (SELECT aid, aid % 101 AS m, repeat(filler, 3) AS f FROM pgbench_accounts WHERE aid BETWEEN :aid AND :aid + 5000)
	SELECT count(DISTINCT m), max(length(f)), array_length(array_agg(aid), 1), count(*) FILTER (WHERE m IN (1, 2, 3)) FROM a;
