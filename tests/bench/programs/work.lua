-- SPDX-License-Identifier: MIT
-- work.lua SCALE: tables, closures and strings; prints checksums.
local scale = tonumber(arg[1])
local seed = 12345

local function random(n)
	seed = (seed * 1103515245 + 12345) % 2147483648
	return seed // 65536 % n
end

-- binary trees: many small tables that live and die together
local function tree(depth)
	if depth == 0 then return { false, false } end
	return { tree(depth - 1), tree(depth - 1) }
end

local function count(t)
	return t[1] and 1 + count(t[1]) + count(t[2]) or 1
end

local nodes = 0
for _ = 1, math.floor(10 * scale) do nodes = nodes + count(tree(14)) end
print("nodes", nodes)

-- a hash that grows, shrinks and is filled again
local words, kept = {}, 0
for i = 1, math.floor(300000 * scale) do
	local key = "key" .. random(50000)
	if i % 3 == 0 then
		words[key] = nil
	else
		words[key] = (words[key] or "") .. string.char(97 + i % 26)
	end
end
for _ in pairs(words) do kept = kept + 1 end
print("words", kept)

-- strings of all sizes: pieces, buffers, patterns
local pieces = {}
for i = 1, math.floor(60000 * scale) do pieces[i] = string.rep("ab" .. i, random(12)) .. string.format("%08x", i) end
local text = table.concat(pieces, " ")
local upper = text:gsub("%d+", function(d) return #d % 2 == 0 and "<" .. d .. ">" or nil end)
local n = 0
for w in upper:gmatch("[^ ]+") do n = n + #w end
print("text", #text, #upper, n)

-- objects with methods, queued and sorted
local queue = {}
for i = 1, math.floor(120000 * scale) do
	queue[#queue + 1] = { at = random(30000), name = "event" .. i, run = function() return i end }
	if #queue > 20000 then
		table.sort(queue, function(a, b) return a.at == b.at and a.name < b.name or a.at < b.at end)
		for _ = 1, 15000 do n = (n + queue[#queue].run()) % 1000003; queue[#queue] = nil end
	end
end
print("events", #queue, n)
