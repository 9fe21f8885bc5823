#include "app/settings.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <set>
#include <sstream>

#include "app/secrets.hpp"
#include "base/text.hpp"

extern char** environ;

namespace otto::app {
namespace {

Row row(std::string name, Kind kind, std::string fallback, std::string help, std::int64_t min = 0, std::int64_t max = 0) {
    return {std::move(name), kind, std::move(fallback), std::move(help), min, max};
}

std::optional<std::int64_t> whole(std::string_view text) {
    text = trim(text);
    std::int64_t n = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return n;
}

std::optional<bool> truth(std::string_view text) {
    auto word = lower(trim(text));
    if (word == "true" || word == "1" || word == "yes" || word == "on") return true;
    if (word == "false" || word == "0" || word == "no" || word == "off" || word.empty()) return false;
    return std::nullopt;
}

std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (const auto& word : words) out.append(out.empty() ? "" : ", ").append(word);
    return out;
}

Result<void> check(const Row& r, const std::string& value, const std::string& source) {
    bool good = true;
    if (r.kind == Kind::number) {
        auto n = whole(value);
        good = n && *n >= r.min && *n <= r.max;
    } else if (r.kind == Kind::flag) {
        good = truth(value).has_value();
    } else if (r.kind == Kind::duration) {
        good = parse_duration(value).has_value();
    } else if (r.kind == Kind::choice) {
        good = std::find(r.words.begin(), r.words.end(), value) != r.words.end();
    }
    if (good && r.misfit && !value.empty())
        if (auto why = r.misfit(value)) return Error(source + ": " + *why, r.holds.empty() ? "" : "it should be " + r.holds);
    if (good) return {};
    return Error(source + " is '" + clip_utf8(value, 80) + "'", r.environment() + " takes " + r.takes());
}

Result<std::string> file_text(const std::string& path, const std::string& setting) {
    std::ifstream in(path, std::ios::binary);
    if (!in) return Error(setting + " names '" + path + "', which cannot be read", "check the path and its permissions");
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

}  // namespace

std::string Row::environment() const {
    std::string out = "OTTO_";
    for (char c : name) out += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
    return out;
}

std::string Row::takes() const {
    switch (kind) {
        case Kind::number:
            return "a whole number from " + std::to_string(min) + " to " + std::to_string(max);
        case Kind::flag:
            return "true or false";
        case Kind::list:
            return "a comma list";
        case Kind::secret:
            return "a secret; " + environment() + "_FILE names a file that holds it";
        case Kind::duration:
            return "a duration such as 500ms, 120s, 15m, 24h or 7d";
        case Kind::choice:
            return "one of " + joined(words);
        case Kind::text:
            return "a text";
    }
    return "";
}

Setting<std::string> text(std::string name, std::string fallback, std::string help) {
    return {row(std::move(name), Kind::text, std::move(fallback), std::move(help))};
}
Setting<std::int64_t> number(std::string name, std::int64_t fallback, std::int64_t min, std::int64_t max, std::string help) {
    return {row(std::move(name), Kind::number, std::to_string(fallback), std::move(help), min, max)};
}
Setting<Millis> duration(std::string name, std::string fallback, std::string help) {
    return {row(std::move(name), Kind::duration, std::move(fallback), std::move(help))};
}

std::optional<Millis> parse_duration(std::string_view text) {
    text = trim(text);
    auto digits = text.find_first_not_of("0123456789");
    auto n = whole(text.substr(0, digits));
    if (!n || *n > 1'000'000'000) return std::nullopt;
    auto unit = digits == std::string_view::npos ? std::string_view("s") : text.substr(digits);
    static const std::map<std::string_view, std::int64_t> units{
        {"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
    auto found = units.find(unit);
    if (found == units.end()) return std::nullopt;
    return Millis{*n * found->second};
}

Setting<bool> flag(std::string name, bool fallback, std::string help) {
    return {row(std::move(name), Kind::flag, fallback ? "true" : "false", std::move(help))};
}
Setting<std::vector<std::string>> list(std::string name, std::string fallback, std::string help) {
    return {row(std::move(name), Kind::list, std::move(fallback), std::move(help))};
}
Setting<Secret> secret(std::string name, std::string help) { return {row(std::move(name), Kind::secret, "", std::move(help))}; }

Setting<Secret> secret(std::string name, std::string help, std::string holds,
                       std::function<std::optional<std::string>(const std::string&)> misfit) {
    auto out = secret(std::move(name), std::move(help));
    out.row.holds = std::move(holds);
    out.row.misfit = std::move(misfit);
    return out;
}

namespace {

/// How many letters have to be put in, taken out or changed.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        auto diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const auto changed = diagonal + (a[i - 1] != b[j - 1] ? 1 : 0);
            diagonal = std::exchange(row[j], std::min({changed, row[j] + 1, row[j - 1] + 1}));
        }
    }
    return row.back();
}

constexpr std::string_view kFile = "_FILE";

/// "--help lists them", or the name that was probably meant.
std::string meant(std::string_view name, const Rows& rows) {
    std::string best;
    std::size_t least = std::max<std::size_t>(2, name.size() / 5) + 1;
    for (const auto& r : rows)
        for (const auto& candidate : {r.environment(), r.environment() + std::string(kFile)})
            if (auto d = distance(name.substr(0, 100), candidate); d < least) {
                least = d;
                best = candidate;
            }
    return best.empty() ? "--help lists the settings" : "is " + best + " meant? --help lists the settings";
}

}  // namespace

Result<Settings> Settings::load(const Rows& rows, const std::vector<std::string>& arguments,
                                const std::map<std::string, std::string>& environment) {
    Settings s;
    for (const auto& r : rows)
        if (s.values_.emplace(r.name, r.fallback).second) s.rows_.push_back(r);
    std::map<std::string, std::string> paths;  // of secrets that lie in files
    auto find = [&](std::string_view name) -> const Row* {
        for (const auto& r : s.rows_)
            if (r.name == name) return &r;
        return nullptr;
    };
    auto by_environment = [&](std::string_view name) -> const Row* {
        for (const auto& r : s.rows_)
            if (r.environment() == name) return &r;
        return nullptr;
    };
    auto set = [&](const Row& r, const std::string& value, const std::string& source) -> Result<void> {
        auto good = check(r, value, source);
        if (good) {
            s.values_[r.name] = value;
            s.given_[r.name] = true;
            paths.erase(r.name);
        }
        return good;
    };
    auto set_file = [&](const Row& r, const std::string& path, const std::string& source) -> Result<void> {
        if (r.kind == Kind::secret) {
            s.values_[r.name] = "";
            s.given_[r.name] = true;
            paths[r.name] = path;
            return {};
        }
        auto text = file_text(path, source);
        if (!text) return text.error();
        return set(r, std::string(trim(*text)), source);
    };
    /// False if it is the name of nothing.
    auto take = [&](const std::string& name, const std::string& value, const std::string& source) -> Result<bool> {
        if (auto* r = by_environment(name)) {
            if (auto done = set(*r, value, source); !done) return done.error();
            return true;
        }
        if (name.ends_with(kFile))
            if (auto* r = by_environment(std::string_view(name).substr(0, name.size() - kFile.size()))) {
                if (auto done = set_file(*r, value, source); !done) return done.error();
                return true;
            }
        return false;
    };

    // least first: what comes later replaces
    if (auto config = environment.find("OTTO_CONFIG"); config != environment.end() && !config->second.empty()) {
        auto text = file_text(config->second, "OTTO_CONFIG");
        if (!text) return text.error();
        std::istringstream lines(*text);
        std::string line;
        for (int n = 1; std::getline(lines, line); ++n) {
            auto content = trim(line);
            if (content.empty() || content.front() == '#') continue;
            auto equals = content.find('=');
            std::string place = config->second + ":" + std::to_string(n);
            if (equals == std::string_view::npos) return Error(place + " is no NAME=value line");
            std::string name(trim(content.substr(0, equals)));
            auto known = take(name, std::string(trim(content.substr(equals + 1))), place);
            if (!known) return known.error();
            if (!*known) return Error(place + " sets '" + name + "', which is no setting", meant(name, s.rows_));
        }
    }
    std::vector<std::string> doubled;
    for (const auto& [name, value] : environment) {
        if (!name.starts_with("OTTO_") || name == "OTTO_CONFIG") continue;
        auto whole_name = name.ends_with(kFile) ? name.substr(0, name.size() - kFile.size()) : "";
        if (environment.contains(whole_name) && by_environment(whole_name) && !by_environment(name)) {
            s.unknown_.push_back(name);
            doubled.push_back(whole_name);
            continue;
        }
        auto known = take(name, value, name);
        if (!known) return known.error();
        if (!*known) s.unknown_.push_back(name);
    }
    for (const auto& argument : arguments) {
        auto equals = argument.find('=');
        if (!argument.starts_with("--") || equals == std::string::npos)
            return Error("'" + argument + "' is no --name=value", "--help lists the settings");
        auto name = argument.substr(2, equals - 2);
        auto* r = find(name);
        if (!r) return Error("there is no setting --" + name, "--help lists them");
        if (auto done = set(*r, argument.substr(equals + 1), "--" + name); !done) return done.error();
    }
    if (auto* strict = find(kStrict.row.name); strict && s.get(kStrict) && !s.unknown_.empty()) {
        const auto& name = s.unknown_.front();
        if (!doubled.empty() && name == doubled.front() + std::string(kFile))
            return Error(doubled.front() + " and " + name + " are both set", "keep one of them");
        return Error("the environment has '" + name + "', which is no setting of this program (OTTO_STRICT)",
                     meant(name, s.rows_));
    }
    for (const auto& r : s.rows_)
        if (auto path = paths.find(r.name); path != paths.end())
            s.files_.push_back(std::make_shared<SecretFile>(r, path->second));
    return s;
}

std::shared_ptr<SecretFile> Settings::file_of(const Row& r) const {
    for (const auto& file : files_)
        if (file->setting() == r.name) return file;
    return nullptr;
}

std::optional<Error> Settings::missing_secret() const {
    for (const auto& file : files_)
        if (auto why = file->missing()) return why;
    return std::nullopt;
}

const std::string& Settings::value(const Row& r) const {
    auto found = values_.find(r.name);
    if (found == values_.end())
        throw std::logic_error("setting '" + r.name +
                               "' is not in this process's table: add its row to the service's config.hpp");
    return found->second;
}

std::string Settings::get(const Setting<std::string>& s) const { return value(s.row); }
std::int64_t Settings::get(const Setting<std::int64_t>& s) const { return *whole(value(s.row)); }
bool Settings::get(const Setting<bool>& s) const { return *truth(value(s.row)); }
std::vector<std::string> Settings::get(const Setting<std::vector<std::string>>& s) const { return split_list(value(s.row)); }
Millis Settings::get(const Setting<Millis>& setting) const { return *parse_duration(value(setting.row)); }
Secret Settings::get(const Setting<Secret>& s) const {
    auto file = file_of(s.row);
    return file ? file->now() : Secret(value(s.row));
}
LiveSecret Settings::live(const Setting<Secret>& s) const {
    if (auto file = file_of(s.row)) return {s.row.name, std::move(file)};
    return LiveSecret(Secret(value(s.row)));
}

bool Settings::given(const Row& r) const { return given_.contains(r.name); }

std::vector<std::pair<std::string, std::string>> Settings::shown() const {
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto& r : rows_) {
        const auto& v = values_.at(r.name);
        out.emplace_back(r.name, r.kind != Kind::secret ? v : file_of(r) ? "a file" : v.empty() ? "not set" : "set");
    }
    return out;
}

std::string help_text(std::string_view program, std::string_view about, const Rows& rows) {
    std::string out =
        std::string("usage: ")
            .append(program)
            .append(" [--name=value …]\n\n")
            .append(about)
            .append("\n\nSettings (--name=value, or the environment, or a file of NAME=value lines named by OTTO_CONFIG):\n");
    std::set<std::string> seen;
    for (const auto& r : rows) {
        if (!seen.insert(r.name).second) continue;
        out.append("\n  --")
            .append(r.name)
            .append("  ")
            .append(r.environment())
            .append("\n      ")
            .append(r.help)
            .append("\n      ")
            .append(r.takes());
        if (r.kind != Kind::secret) out.append("; default: ").append(r.fallback.empty() ? "empty" : r.fallback);
        out += '\n';
    }
    return out;
}

std::string settings_page(const Rows& rows) {
    std::string out =
        "# Settings\n\nGenerated from the tables of the services. Each is `--name=value`, or an environment variable, or a line "
        "of the file that OTTO_CONFIG names; secrets also `…_FILE`.\n\n"
        "| environment | meaning | takes | default |\n|---|---|---|---|\n";
    std::set<std::string> seen;
    for (const auto& r : rows)
        if (seen.insert(r.name).second)
            out.append("| `")
                .append(r.environment())
                .append("` | ")
                .append(r.help)
                .append(" | ")
                .append(r.kind == Kind::secret ? "a secret" : r.takes())
                .append(" | ")
                .append(r.fallback.empty() ? "" : "`" + r.fallback + "`")
                .append(" |\n");
    return out;
}

std::map<std::string, std::string> environment_of_process() {
    std::map<std::string, std::string> out;
    for (char** e = environ; e && *e; ++e) {
        std::string_view entry = *e;
        auto equals = entry.find('=');
        if (equals != std::string_view::npos) out.emplace(entry.substr(0, equals), entry.substr(equals + 1));
    }
    return out;
}

}  // namespace otto::app
