#pragma once
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "app/settings.hpp"
#include "base/result.hpp"

namespace otto::ottoctl {

/// Exit codes, for scripts.
enum Exit { kDone = 0, kFailed = 1, kUsage = 2, kRefused = 3 };

/// What was typed makes no sense; ends with kUsage.
class UsageError : public Failure {
public:
    explicit UsageError(std::string message, std::string hint = {}) : Failure(Error(std::move(message), std::move(hint))) {}
};

struct Option {
    std::string_view name;   ///< "consumer"
    std::string_view value;  ///< what it takes, for help; "" = a flag
    std::string_view help;
};

class Invocation;
/// One command: a row of the table in commands.cpp, from which parsing and --help follow.
struct Command {
    std::string_view words;     ///< "held release"
    std::string_view operands;  ///< "[ID…]", for help
    std::size_t least, most;    ///< how many of them
    std::string_view about;     ///< one line
    std::string_view more;      ///< the rest of its help
    std::vector<Option> options;
    std::string_view example;
    int (*run)(const Invocation&);
};

/// Options that every command takes.
inline const std::vector<Option> kCommonOptions{{"json", "", "the answer as JSON, for scripts"}, {"help", "", "this text"}};

/// What was typed, sorted: which command, its operands and options, and what is left for the table of settings.
struct Arguments {
    const Command* command = nullptr;  ///< null: only --help, or nothing
    std::vector<std::string> operands;
    std::multimap<std::string, std::string, std::less<>> options;
    std::vector<std::string> settings;  ///< --name=value that are no options of the command
    bool help = false;
};

/// Words may stand anywhere between options; an option's value follows it or stands behind '='. Throws UsageError that names what
/// does not fit.
Arguments parse_arguments(std::span<const Command> commands, const std::vector<std::string>& typed);

/// One run of a command: its arguments and the settings.
class Invocation {
public:
    Invocation(const Arguments& arguments, const app::Settings& settings) : arguments_(arguments), settings_(settings) {}
    const app::Settings& settings() const { return settings_; }
    const std::vector<std::string>& operands() const { return arguments_.operands; }
    bool has(std::string_view option) const { return arguments_.options.find(option) != arguments_.options.end(); }
    /// Of an option given several times the last counts.
    std::optional<std::string> option(std::string_view name) const;
    std::vector<std::string> every(std::string_view name) const;
    std::int64_t number(std::string_view name, std::int64_t fallback, std::int64_t min, std::int64_t max) const;
    Millis duration(std::string_view name, Millis fallback) const;
    bool json() const { return has("json"); }

private:
    const Arguments& arguments_;
    const app::Settings& settings_;
};

}  // namespace otto::ottoctl
