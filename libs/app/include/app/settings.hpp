#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
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
/// OTTO_LANES=4 of the file named by OTTO_CONFIG, else the default. The file of a secret is read again when it changes
/// (app/secrets.hpp).
namespace otto::app {

enum class Kind { text, number, flag, list, secret, duration, choice };

struct Row {
    std::string name;  ///< "kafka-brokers"
    Kind kind = Kind::text;
    std::string fallback;  ///< as it would be written
    std::string help;
    std::int64_t min = 0, max = 0;                                              ///< of numbers
    std::vector<std::string> words = {};                                        ///< of choices
    std::string holds = {};                                                     ///< of secrets: what their file should hold
    std::function<std::optional<std::string>(const std::string&)> misfit = {};  ///< why a value (never "") is none
    std::string environment() const;                                            ///< "OTTO_KAFKA_BROKERS"
    std::string takes() const;                                                  ///< for people: "a whole number from 1 to 10"
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
/// Likewise, of which it can be told whether it is one: `holds` is what its file should hold, `misfit` says why a text is none
/// without showing it.
Setting<Secret> secret(std::string name, std::string help, std::string holds,
                       std::function<std::optional<std::string>(const std::string&)> misfit);

/// Read by every program: names that none of its rows claims end the start.
inline const Setting<bool> kStrict =
    flag("strict", false,
         "whether an OTTO_… in the environment that is no setting of the program ends its start, instead of a warning");

/// Rows of a service, in the order in which help shows them.
using Rows = std::vector<Row>;

class SecretFile;
/// A secret as it stands whenever it is asked for: of a file (OTTO_…_FILE) what that holds now, else what was set at the start.
class LiveSecret {
public:
    LiveSecret() = default;
    LiveSecret(Secret fixed) : fixed_(std::move(fixed)) {}
    LiveSecret(std::string name, std::shared_ptr<SecretFile> file) : name_(std::move(name)), file_(std::move(file)) {}
    Secret now() const;
    std::uint64_t version() const;  ///< another one after each change
    const std::string& name() const { return name_; }

private:
    std::string name_;
    Secret fixed_;
    std::shared_ptr<SecretFile> file_;
};

/// The values of one process: every row has one, checked against its kind and bounds.
class Settings {
public:
    /// `environment` and `arguments` as main() has them. The error names the setting and what it takes. A secret's file may be
    /// missing still, see missing_secret().
    static Result<Settings> load(const Rows&, const std::vector<std::string>& arguments,
                                 const std::map<std::string, std::string>& environment);

    std::string get(const Setting<std::string>&) const;
    std::int64_t get(const Setting<std::int64_t>&) const;
    bool get(const Setting<bool>&) const;
    std::vector<std::string> get(const Setting<std::vector<std::string>>&) const;
    /// As it stands now; who keeps it keeps what may be replaced, and takes live() instead.
    Secret get(const Setting<Secret>&) const;
    LiveSecret live(const Setting<Secret>&) const;
    Millis get(const Setting<Millis>&) const;
    template <class E>
    E get(const Choice<E>& choice) const {
        const auto& word = value(choice.row);
        return std::find_if(choice.words.begin(), choice.words.end(), [&](const auto& w) { return w.first == word; })->second;
    }
    /// Whether the table of this process has it.
    bool has(const Row& row) const { return values_.contains(row.name); }
    /// True if somebody set it (also to nothing).
    bool given(const Row&) const;
    /// Name and value for the start-up log; secrets are "set" or "not set".
    std::vector<std::pair<std::string, std::string>> shown() const;
    /// OTTO_… names in the environment that no row claims; worth a warning. With OTTO_STRICT, load() refuses them.
    const std::vector<std::string>& unknown() const { return unknown_; }
    /// Files of secrets that do not hold what they should, looked at again: the process waits for them, or ends.
    std::optional<Error> missing_secret() const;
    const std::vector<std::shared_ptr<SecretFile>>& secret_files() const { return files_; }

private:
    const std::string& value(const Row&) const;
    std::shared_ptr<SecretFile> file_of(const Row&) const;
    std::vector<std::shared_ptr<SecretFile>> files_;
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
