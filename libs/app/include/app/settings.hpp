#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"

/// The table of settings. A setting is one row, declared once as a constant where it is used; its environment name, its option,
/// `--help`, the page of settings, its bounds and its masking follow from the row.
///
///     inline const app::Setting<std::int64_t> kLanes = app::number("lanes", 0, 0, 256, "threads of each consumer");
///     auto lanes = settings.get(kLanes);
///
/// `lanes` is read from `--lanes=4`, else OTTO_LANES, else OTTO_LANES_FILE (a file that holds the value), else a line
/// OTTO_LANES=4 of the file named by OTTO_CONFIG, else the default.
namespace otto::app {

enum class Kind { text, number, flag, list, secret, duration, choice };

struct Row {
    std::string name;  ///< "kafka-brokers"
    Kind kind = Kind::text;
    std::string fallback;  ///< as it would be written
    std::string help;
    std::int64_t min = 0, max = 0;        ///< of numbers
    std::vector<std::string> words = {};  ///< of choices
    std::string environment() const;      ///< "OTTO_KAFKA_BROKERS"
    std::string takes() const;            ///< for people: "a whole number from 1 to 10"
};

template <class T>
struct Setting {
    Row row;
};

/// A setting that is one of a few words, each of which stands for a value.
template <class E>
struct Choice {
    Row row;
    std::vector<std::pair<std::string, E>> words;
};

Setting<std::string> text(std::string name, std::string fallback, std::string help);
Setting<std::int64_t> number(std::string name, std::int64_t fallback, std::int64_t min, std::int64_t max, std::string help);
/// "500ms", "120s", "15m", "24h", "7d"; a bare number is seconds.
Setting<Millis> duration(std::string name, std::string fallback, std::string help);
std::optional<Millis> parse_duration(std::string_view text);
Setting<bool> flag(std::string name, bool fallback, std::string help);
/// Comma list, newest first where things rotate.
Setting<std::vector<std::string>> list(std::string name, std::string fallback, std::string help);
template <class E>
Choice<E> choice(std::string name, std::string fallback, std::vector<std::pair<std::string, E>> words, std::string help) {
    Row row{std::move(name), Kind::choice, std::move(fallback), std::move(help)};
    for (const auto& [word, value] : words) row.words.push_back(word);
    return {std::move(row), std::move(words)};
}
/// Never shown; also read from NAME_FILE.
Setting<Secret> secret(std::string name, std::string help);

/// Rows of a service, in the order in which help shows them.
using Rows = std::vector<Row>;

/// The values of one process: every row has one, checked against its kind and bounds.
class Settings {
public:
    /// `environment` and `arguments` as main() has them. The error names the setting and what it takes.
    static Result<Settings> load(const Rows&, const std::vector<std::string>& arguments,
                                 const std::map<std::string, std::string>& environment);

    std::string get(const Setting<std::string>&) const;
    std::int64_t get(const Setting<std::int64_t>&) const;
    bool get(const Setting<bool>&) const;
    std::vector<std::string> get(const Setting<std::vector<std::string>>&) const;
    Secret get(const Setting<Secret>&) const;
    Millis get(const Setting<Millis>&) const;
    template <class E>
    E get(const Choice<E>& choice) const {
        const auto& word = value(choice.row);
        return std::find_if(choice.words.begin(), choice.words.end(), [&](const auto& w) { return w.first == word; })->second;
    }
    /// True if somebody set it (also to nothing).
    bool given(const Row&) const;
    /// Name and value for the start-up log; secrets are "set" or "not set".
    std::vector<std::pair<std::string, std::string>> shown() const;
    /// OTTO_… names in the environment that no row claims; worth a warning.
    const std::vector<std::string>& unknown() const { return unknown_; }

private:
    const std::string& value(const Row&) const;
    std::map<std::string, std::string> values_;
    std::map<std::string, bool> given_;
    Rows rows_;
    std::vector<std::string> unknown_;
};

/// `--help` of a program, and deploy/settings.md.
std::string help_text(std::string_view program, std::string_view about, const Rows&);
std::string settings_page(const Rows&);

std::map<std::string, std::string> environment_of_process();

}  // namespace otto::app
