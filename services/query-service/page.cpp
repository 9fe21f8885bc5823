#include "page.hpp"

#include <algorithm>
#include <charconv>

#include "base/crypto.hpp"
#include "base/phone.hpp"
#include "base/text.hpp"
#include "query-service/sql.hpp"

namespace otto::query_service {
namespace {

using identity::refuse_field;

std::int64_t whole(const std::string& name, const std::string& text, std::int64_t least, std::int64_t most, const char* beyond) {
    std::int64_t n = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc{} || end != text.data() + text.size() || n < least) refuse_field(name, "takes a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    if (n > most) refuse_field(name, "is at most " + std::to_string(most) + beyond);
    return n;
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) text.replace(at, what.size(), with);
}

}  // namespace

Asked::Asked(const http::Request& request, std::set<std::string_view> filters, Paged paged) {
    for (auto& [name, value] : request.query_fields()) {
        bool known = filters.contains(name) || (paged == Paged::yes && (name == "limit" || name == "offset" || name == "cursor" || name == "sort"));
        if (!known || !valid_utf8(name)) refuse_field(valid_utf8(name) ? clip_utf8(name, 100) : "query", paged == Paged::yes ? "is no filter of this list" : "is nothing that this takes");
        if (!valid_utf8(value) || value.find('\0') != std::string::npos) refuse_field(name, "is no valid text");
        if (value.size() > 1'000) refuse_field(name, "is too long");
        if (values_.contains(name)) refuse_field(name, "stands twice");
        if (!trim(value).empty()) values_.emplace(name, value);
    }
}

std::optional<std::string> Asked::text(std::string_view name) const {
    auto found = values_.find(name);
    return found == values_.end() ? std::nullopt : std::optional(std::string(trim(found->second)));
}

pg::Param Asked::any_of(std::string_view name, const std::vector<std::string_view>& known) const {
    auto value = text(name);
    if (!value) return nullptr;
    auto items = split_list(*value);
    if (items.empty() || items.size() > 50) refuse_field(std::string(name), "takes a comma list of 1 to 50 values");
    for (const auto& item : items)
        if (!known.empty() && std::find(known.begin(), known.end(), item) == known.end()) {
            std::string list;
            for (auto k : known) list.append(list.empty() ? "" : ", ").append(k);
            refuse_field(std::string(name), "takes " + list);
        }
    return pg::Param::array(items);
}

std::optional<bool> Asked::truth(std::string_view name) const {
    auto value = text(name);
    if (!value) return std::nullopt;
    auto word = lower(*value);
    if (word == "true" || word == "1") return true;
    if (word == "false" || word == "0") return false;
    refuse_field(std::string(name), "takes true or false");
}

std::optional<Uuid> Asked::uuid(std::string_view name) const {
    auto value = text(name);
    if (!value) return std::nullopt;
    auto id = Uuid::parse(*value);
    if (!id) refuse_field(std::string(name), "is no UUID");
    return id;
}

std::optional<std::string> Asked::date(std::string_view name) const {
    auto value = text(name);
    if (!value) return std::nullopt;
    bool shape = value->size() == 10 && (*value)[4] == '-' && (*value)[7] == '-';
    auto at = shape ? parse_time(*value) : std::nullopt;
    if (!at || to_rfc3339(*at).substr(0, 10) != *value) refuse_field(std::string(name), "is no date; write it as 2026-11-21");
    return value;
}

std::optional<std::string> Asked::phone(std::string_view name) const {
    auto found = values_.find(name);
    if (found == values_.end()) return std::nullopt;
    return normalize_phone(found->second).text;
}

std::optional<std::string> Asked::search() const {
    auto value = values_.find("search");
    if (value == values_.end()) return std::nullopt;
    auto letters = static_cast<std::size_t>(std::count_if(value->second.begin(), value->second.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
    if (letters > kLongestSearch) refuse_field("search", "takes at most " + std::to_string(kLongestSearch) + " letters");
    return value->second;
}

std::optional<std::string> Asked::one_of(std::string_view name, const std::vector<std::string_view>& known) const {
    auto value = text(name);
    if (value && std::find(known.begin(), known.end(), *value) == known.end()) {
        std::string list;
        for (auto k : known) list.append(list.empty() ? "" : ", ").append(k);
        refuse_field(std::string(name), "takes one of " + list);
    }
    return value;
}

std::int64_t Asked::whole(std::string_view name, std::int64_t fallback, std::int64_t least, std::int64_t most) const {
    auto value = text(name);
    return value ? query_service::whole(std::string(name), *value, least, most, "") : fallback;
}

Viewer Viewer::of(const identity::Context& c) { return {{c.who.user.value(), c.who.role == identity::Role::sales_rep}, c.company()}; }

void takes_nothing(const identity::Context& c) { Asked(c.request, {}, Asked::Paged::no); }

std::int64_t call_id_of(const identity::Context& c) {
    auto text = c.request.param("call_id");
    if (text.empty() || text.size() > 16 || !std::all_of(text.begin(), text.end(), [](char ch) { return ch >= '0' && ch <= '9'; })) identity::not_found("call");
    return std::stoll(std::string(text));
}

void read_call(identity::Context& c, std::int64_t& call_id, const std::function<void(const pg::Fields&)>& row) {
    struct Into {
        std::int64_t id;
        static Into from(const pg::Fields& f) { return {f.integer("into_id")}; }
    };
    for (bool found = false; !found;) {
        c.tx().each(sql::one_call, {c.company(), call_id, Viewer::of(c).own()}, [&](const pg::Fields& f) {
            found = true;
            row(f);
        });
        if (found) return;
        auto into = c.tx().maybe<Into>(sql::call_folded_into, {c.company(), call_id});
        if (!into) identity::not_found("call");
        call_id = into->id;
    }
}

void read_folded(identity::Context& c, Uuid& id, const char* kind, const pg::Query& query, const std::function<void(const pg::Fields&)>& row) {
    struct Into {
        Uuid id;
        static Into from(const pg::Fields& f) { return {f.uuid("into_id")}; }
    };
    for (bool followed = false;; followed = true) {
        bool there = false;
        c.tx().each(query, {c.company(), id, Viewer::of(c).own()}, [&](const pg::Fields& f) {
            there = true;
            row(f);
        });
        if (there) return;
        auto into = followed ? std::nullopt : c.tx().maybe<Into>(sql::row_folded_into, {c.company(), kind, id});
        if (!into) identity::not_found(kind);
        id = into->id;
    }
}

Uuid uuid_of(const identity::Context& c, std::string_view name, const char* what) {
    auto id = Uuid::parse(c.request.param(name));
    if (!id) identity::not_found(what);
    return *id;
}

Days days_of(identity::Context& c, const std::optional<std::string>& from, const std::optional<std::string>& to) {
    Days days;
    if (from || to)
        c.tx().each(sql::moments_of_days, {c.company(), from, to}, [&](const pg::Fields& f) {
            days.since = f.time("since");
            days.till = f.time("till");
        });
    return days;
}

Page Page::newest(const std::string& sort, std::int64_t limit) {
    Page p;
    p.sort = sort;
    p.limit = limit;
    return p;
}

Page Page::of(const Asked& asked, const std::set<std::string_view>& sortable, Ids ids) {
    Page p;
    if (auto limit = asked.text("limit")) p.limit = whole("limit", *limit, 1, 200, "");
    if (auto sort = asked.text("sort")) {
        p.descending = sort->starts_with('-');
        p.sort = p.descending ? sort->substr(1) : *sort;
        if (!sortable.contains(p.sort)) {
            std::string list;
            for (auto s : sortable) list.append(list.empty() ? "" : ", ").append(s).append(", -").append(s);
            refuse_field("sort", "takes " + list);
        }
    }
    auto offset = asked.text("offset"), cursor = asked.text("cursor");
    if (offset && cursor) refuse_field("cursor", "does not go with offset; use one of them");
    if (offset) p.offset = whole("offset", *offset, 0, 10'000, "; use the cursor beyond that");
    if (!cursor) return p;
    auto text = base64url_decode(*cursor);
    auto parsed = text ? JsonDocument::parse(*text) : Result<JsonDocument>(Error("no cursor"));
    bool good = parsed.ok() && parsed->root().is_array() && parsed->root().size() == 3 && parsed->root().at(0).string() && parsed->root().at(1).integer() && parsed->root().at(2).string();
    if (good) {
        std::string order(*parsed->root().at(0).string());
        if (asked.text("sort") && order != (p.descending ? "-" : "+") + p.sort) refuse_field("cursor", "was made for another sort");
        p.descending = order.starts_with('-');
        p.sort = order.substr(order.empty() ? 0 : 1);
        p.after = from_micros(*parsed->root().at(1).integer());
        p.after_id = std::string(*parsed->root().at(2).string());
        bool id_good = ids == Ids::uuids   ? Uuid::parse(p.after_id).has_value()
                       : ids == Ids::texts ? !p.after_id.empty() && p.after_id.size() <= 200 && p.after_id.find('\0') == std::string::npos
                                           : !p.after_id.empty() && p.after_id.size() < 17 && std::all_of(p.after_id.begin(), p.after_id.end(), [](char c) { return c >= '0' && c <= '9'; });
        good = sortable.contains(p.sort) && id_good && to_micros(*p.after) > -62'000'000'000'000'000 && to_micros(*p.after) < 250'000'000'000'000'000;
    }
    if (!good) refuse_field("cursor", "is none that this list gave");
    return p;
}

std::string Page::cursor(Instant at, const std::string& id) const {
    JsonWriter w;
    w.begin_array().value((descending ? "-" : "+") + sort).value(to_micros(at)).value(id).end_array();
    return base64url_encode(w.take());
}

namespace {

/// Calls `each(number, at, size)` for every `$n` of a line.
template <class Each>
void placeholders(std::string_view line, Each&& each) {
    for (std::size_t at = 0; (at = line.find('$', at)) != std::string_view::npos;) {
        std::size_t end = at + 1, n = 0;
        while (end < line.size() && line[end] >= '0' && line[end] <= '9') n = n * 10 + static_cast<std::size_t>(line[end++] - '0');
        if (end > at + 1) each(n, at, end - at);
        at = end;
    }
}

std::string_view word(std::string_view line, int n) {
    line = trim(line);
    for (; n > 0; --n) {
        auto space = line.find(' ');
        line = space == std::string_view::npos ? std::string_view{} : trim(line.substr(space));
    }
    return line.substr(0, line.find(' '));
}

bool is_join(std::string_view line) { return word(line, 0) == "JOIN" || (word(line, 0) == "LEFT" && word(line, 1) == "JOIN"); }

}  // namespace

Cut cut(std::string_view text, const std::vector<bool>& given) {
    std::vector<std::string> lines;
    auto is_given = [&](std::size_t n) { return n >= given.size() || given[n]; };
    while (!text.empty()) {
        auto end = text.find('\n');
        std::string line(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        std::size_t first = 0;
        placeholders(line, [&](std::size_t n, std::size_t, std::size_t) { first = first ? first : n; });
        constexpr std::string_view kOr = " IS NULL OR ", kNull = " IS NULL)";
        bool optional = word(line, 0) == "AND" && word(line, 1).starts_with("($") && line.find(" IS NULL") != std::string::npos;
        if ((optional || word(line, 0) == "OFFSET") && !is_given(first)) continue;
        if (optional) {
            auto condition = line.find(kOr);
            if (condition != std::string::npos) line = "   AND (" + line.substr(condition + kOr.size());
            else if (line.find(kNull) != std::string::npos) line = "   AND false";  // nothing can have what is asked for
        }
        lines.push_back(std::move(line));
    }
    std::erase_if(lines, [&](const std::string& line) {
        if (!is_join(line)) return false;
        auto before = std::string_view(line).substr(0, line.rfind(" ON "));
        auto alias = std::string(before.substr(before.rfind(' ') + 1)) + ".";
        return std::none_of(lines.begin(), lines.end(), [&](const std::string& other) {
            if (&other == &line || is_join(other)) return false;
            for (std::size_t at = 0; (at = other.find(alias, at)) != std::string::npos; ++at)
                if (at == 0 || std::string_view(" (,/").find(other[at - 1]) != std::string_view::npos) return true;
            return false;
        });
    });
    Cut out;
    std::map<std::size_t, std::size_t> number;
    for (const auto& line : lines) {
        if (!out.text.empty()) out.text += '\n';
        std::size_t copied = 0;
        placeholders(line, [&](std::size_t n, std::size_t at, std::size_t size) {
            auto [mine, fresh] = number.try_emplace(n, out.used.size() + 1);
            if (fresh) out.used.push_back(n);
            out.text.append(line, copied, at - copied).append("$").append(std::to_string(mine->second));
            copied = at + size;
        });
        out.text.append(line, copied);
    }
    return out;
}

ListQueries::ListQueries(const pg::Query& page, const pg::Query& count, std::map<std::string, std::string> columns, std::string table)
    : page_name_(page.name), count_name_(count.name), count_text_(count.text), table_(std::move(table)) {
    for (const auto& [sort, column] : columns)
        for (bool descending : {true, false}) {
            std::string text(page.text);
            auto placeholder = text.substr(text.find("/*sort*/"));
            placeholder = placeholder.substr(0, placeholder.find_first_of(" ,"));
            replace_all(text, placeholder, column);
            if (!descending) {
                replace_all(text, "/*dir*/DESC", "ASC");
                replace_all(text, "/*cmp*/<", ">");
            }
            pages_[{sort, descending}] = std::move(text);
        }
}

const ListQueries::Form& ListQueries::form(const std::string& name, const std::string& whole, const std::vector<bool>& given, const std::string& limit) const {
    std::string key = name + (limit.empty() ? "" : "." + limit) + ".";
    // As a number: Postgres reads 63 bytes of a statement's name.
    std::uint64_t bits = 0;
    for (bool g : given) bits = bits << 1 | g;
    char digits[17];
    key.append(digits, std::to_chars(digits, digits + sizeof digits, bits, 16).ptr);
    std::lock_guard guard(lock_);
    auto found = forms_.find(key);
    bool all = false;
    if (found == forms_.end() && forms_.size() >= kMostForms) {
        key = name + ".all";
        all = true;
        found = forms_.find(key);
    }
    if (found != forms_.end()) return *found->second;
    auto f = std::make_unique<Form>();
    f->name = key;
    if (all) {
        f->text = whole;
        for (std::size_t n = 1; n < given.size(); ++n) f->used.push_back(n);
    } else {
        auto text = whole;
        // As a number, not a parameter: a plan made for any limit would be one for a tenth of all rows.
        if (!limit.empty()) replace_all(text, "LIMIT $4", "LIMIT " + limit);
        auto part = cut(text, given);
        f->text = std::move(part.text);
        f->used = std::move(part.used);
    }
    f->query = {f->name, f->text};
    return *forms_.emplace(key, std::move(f)).first->second;
}

Statement ListQueries::run(const std::string& name, const std::string& whole, const pg::Params& all, std::size_t filters_from, const std::string& limit) const {
    std::vector<bool> given(all.size() + 1, true);
    bool values_matter = false;
    for (std::size_t n = 1; n <= all.size(); ++n) {
        given[n] = all[n - 1].text().has_value();
        // How many rows a date range or a search leaves decides between a walk along the order and a search of its own.
        if (n >= filters_from && given[n]) {
            auto place = "$" + std::to_string(n);
            for (const auto& sign : {place + "::date", place + "::timestamptz", "LIKE ALL (" + place + ")", "id = ANY (" + place + ")"}) values_matter = values_matter || whole.find(sign) != std::string::npos;
        }
    }
    const auto& f = form(name, whole, given, limit);
    Statement s{&f.query, {}, values_matter};
    for (auto n : f.used) s.params.push_back(all[n - 1]);
    return s;
}

Statement ListQueries::page(const Viewer& viewer, const Page& p, const pg::Params& filters) const {
    pg::Params all{viewer.company, p.after, p.after ? pg::Param(p.after_id) : pg::Param(nullptr), p.limit + 1, p.offset > 0 ? pg::Param(p.offset) : pg::Param(nullptr), viewer.own()};
    all.insert(all.end(), filters.begin(), filters.end());
    // Few limits, so few statements: the caller leaves what is over.
    const char* limit = p.limit <= 25 ? "26" : p.limit <= 50 ? "51" : p.limit <= 100 ? "101" : "201";
    return run(page_name_ + "." + p.sort + (p.descending ? ".desc" : ".asc"), pages_.at({p.sort, p.descending}), all, 6, limit);
}

Statement ListQueries::count(const Viewer& viewer, const pg::Params& filters) const {
    bool any = viewer.rep || std::any_of(filters.begin(), filters.end(), [](const pg::Param& f) { return f.text().has_value(); });
    if (!any && !table_.empty()) return {&sql::list_total, {viewer.company, table_}, false};
    pg::Params all{viewer.company, viewer.own()};
    all.insert(all.end(), filters.begin(), filters.end());
    return run(count_name_, count_text_, all, 2, "");
}

std::vector<pg::Query> ListQueries::all() const {
    std::vector<pg::Query> out;
    auto add = [&](const std::string& name, const std::string& whole, std::size_t filters_from, const std::string& limit) {
        std::size_t most = 0;
        placeholders(whole, [&](std::size_t n, std::size_t, std::size_t) { most = std::max(most, n); });
        for (std::size_t alone = filters_from - 1; alone <= most + 1; ++alone) {  // one before: none of them; one behind: all
            std::vector<bool> given(most + 1, alone > most);
            for (std::size_t n = 0; n < filters_from; ++n) given[n] = true;
            if (alone >= filters_from && alone <= most) given[alone] = true;
            out.push_back(form(name, whole, given, limit).query);
        }
    };
    for (const auto& [order, text] : pages_) add(page_name_ + "." + order.first + (order.second ? ".desc" : ".asc"), text, 6, "51");
    add(count_name_, count_text_, 2, "");
    return out;
}

std::string LongLists::key(const Viewer& viewer, std::string_view list, const pg::Params& filters) {
    std::string out = viewer.company.value() + '\n' + (viewer.rep ? viewer.user : "") + '\n' + std::string(list);
    for (const auto& f : filters) {
        out += '\n';
        if (f.text()) out.append(std::to_string(f.text()->size())).append(":").append(*f.text());  // so that no text reads as two
    }
    return out;
}

bool LongLists::knows(const Viewer& viewer, std::string_view list, const pg::Params& filters) const {
    auto k = key(viewer, list, filters);
    std::lock_guard guard(lock_);
    auto found = until_.find(k);
    return found != until_.end() && std::chrono::steady_clock::now() < found->second;
}

void LongLists::remember(const Viewer& viewer, std::string_view list, const pg::Params& filters) {
    auto k = key(viewer, list, filters);
    std::lock_guard guard(lock_);
    if (until_.size() >= 10'000) until_.clear();  // bounded; what is still long is soon known again
    until_[std::move(k)] = std::chrono::steady_clock::now() + std::chrono::minutes(1);
}

}  // namespace otto::query_service
