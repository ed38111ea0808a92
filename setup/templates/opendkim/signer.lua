-- Runs for each message once its headers are known.  Refuses it, lets it pass, or has it
-- signed; an error in here defers it (451).
--
-- Mail of a user (submission ports; Postfix tells the login):
--   exactly one From header with exactly one address, and that address is
--     the login itself, or
--     the envelope sender, which Postfix has checked to be the login's, or
--     in a domain the login may send for (emboux_mail.header_senders);
--   anything else is refused.  Signed if its domain has a key here that signs with this one's
--   algorithm (a domain that a provider signs for has none and passes).
--
-- Mail of Dovecot's Sieve (inject port; no login):
--   signed only if it is new (no Received header) and the envelope sender, which Dovecot
--   sets, is of the From header's domain.  Redirected mail and a vacation reply in the name of
--   another domain pass unsigned.  Redirected mail without an envelope sender is refused, and
--   Dovecot keeps it: the bounce of a redirect would go to whoever refused that, and nobody
--   hear of it.

local BASE = "dsn:pgsql://emboux_dkim:@DB_PASSWORD@@@DB_PORT@+@DB_HOST@/@DB_NAME@"

-- Does the table hold the key?  Each look-up has a connection of its own, which OpenDKIM itself closes
-- when the script is over: it does not survive long what db_close does (2.11.0~beta2).
local function holds(table_and_columns, key)
  -- the error of db_open would quote the password and is not shown
  local opened, db = pcall(odkim.db_open, BASE .. "/table=emboux_mail." .. table_and_columns)
  local found = opened and odkim.db_check(db, key)
  if not found then -- (0 counts as true)
    error("the database does not answer", 0)
  end
  return found == 1
end

local function domain_of(address)
  local domain = address and address:lower():match("^[^%s<>]+@([%w.\128-\255-]+)$")
  return domain
end

-- The text without comments and with quoted strings blotted out; nil if something is open.
local function plain(text)
  local out, depth, quoted, i = {}, 0, false, 1
  while i <= #text do
    local c = text:sub(i, i)
    if c == "\\" and (quoted or depth > 0) then
      i = i + 1
    elseif quoted then
      if c == '"' then quoted = false end
    elseif c == "(" then
      depth = depth + 1
    elseif c == ")" then
      if depth == 0 then return nil end
      depth = depth - 1
    elseif depth == 0 then
      if c == '"' then
        quoted = true
        c = "_"
      end
      out[#out + 1] = c
    end
    i = i + 1
  end
  if quoted or depth > 0 then return nil end
  return (table.concat(out):gsub("%s+", " "))
end

-- The one address of a From header, in lower case; nil if there is none, if there are several,
-- or if programs could disagree about which it is.
local function author(value)
  local text = plain(value)
  if not text or text:find("[,;:]") then return nil end
  local name, address = text:match("^([^<>]*)<([^<>]*)>%s*$")
  if not address then
    name, address = "", text
  end
  if name:find("@", 1, true) then return nil end
  address = address:match("^%s*(.-)%s*$"):lower()
  return address:match("^[^%s@<>]+@[%w.\128-\255-]+$") -- a domain may be in UTF-8 (RFC 6532)
end

local function refuse(why)
  io.stderr:write("refused: ", why, "\n")
  io.stderr:flush()
  odkim.set_result(ctx, SMFIS_REJECT)
end

-- OpenDKIM's own connection, which odkim.sign reads the key with, never recovers from an error
-- in the query and blocks for good when it cannot reconnect.  So the same query is first made
-- here; it is odkim.sign's turn only if that went well.
local function sign(domain)
  local keys = "@SIGNING_VIEW@/**/NATURAL/**/JOIN/**/emboux_mail.dkim_keys"
  if not holds(keys .. "?keycol=lookup?datacol=domain,selector,private_key", domain) then
    return
  end
  if odkim.sign(ctx, domain) ~= 1 then
    error("cannot use the key of " .. domain, 0)
  end
end

local function is_theirs(address, domain, login, sender)
  return address == login
    or address == sender
    or holds("header_senders?keycol=login?datacol=domain?filter=domain='" .. domain .. "'", login)
end

local function main()
  local login = odkim.get_mtasymbol(ctx, "{auth_authen}")
  local sender = (odkim.get_envfrom(ctx) or ""):lower():gsub("^<", ""):gsub(">$", "")
  local from = odkim.get_header(ctx, "From", 0)
  local address = from and not odkim.get_header(ctx, "From", 1) and author(from)
  local domain = domain_of(address or nil)

  if login and login ~= "" then
    login = login:lower()
    if not domain then
      refuse(login .. ": the From header must be there once, with one address")
    elseif is_theirs(address, domain, login, sender) then
      sign(domain)
    else
      refuse(login .. ": may not send as " .. address)
    end
  elseif odkim.get_header(ctx, "Received", 0) then
    if sender == "" then
      refuse("a redirect without an envelope sender: it stays in the mailbox")
    end
  elseif domain and domain == domain_of(sender) then
    sign(domain)
  end
end

-- At its start OpenDKIM runs this without a message, to see whether it is a program.
if tostring(ctx):find("nil", 1, true) then return end

local fine, message = pcall(main)
if not fine then
  io.stderr:write("deferred: ", tostring(message), "\n")
  io.stderr:flush()
  odkim.set_result(ctx, SMFIS_TEMPFAIL)
end
