#pragma once
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/words.hpp"
#include "base/json.hpp"
#include "base/time.hpp"
#include "base/uuid.hpp"
#include "http/message.hpp"

namespace otto::api {

/// What a change says of one value: nothing, that it goes away, or what it becomes.
template <class T>
struct Change {
    bool given = false;
    std::optional<T> value;  ///< none although it was given: it goes away
    bool clears() const { return given && !value; }
    /// What stands from now on where `former` stood.
    std::optional<T> after(std::optional<T> former) const { return given ? value : std::move(former); }
};

/// What a change may name.
struct Changeable {
    using Names = std::vector<std::string_view>;
    struct Fixed {
        Names names;
        std::string_view cure;
    };
    Names lasting;             ///< becomes another value and is never taken away: null and "" are refused
    Names clearable;           ///< null or "" takes it away
    Names besides;             ///< no change itself: how it is to be done
    std::vector<Fixed> fixed;  ///< known, and not to be changed here: refused with the cure
};

/// What a command was given: query, form or JSON body, whichever the caller used; the body beats the query. A form under a JSON
/// content type (the seeds' curl lines) is understood too. A command declares what it takes: everything else is refused by its
/// name, so that a misspelt field never passes for one that was minded, and reading a name that was not declared is a
/// std::logic_error. Names that are declared are literals.
class Inputs {
public:
    /// For what makes something: null and "" are as absent. 422 for a body that is neither JSON object nor form, for more than
    /// 10,000 members in all (of a form 1,000 fields), for a NUL in a piece of JSON, and for a name that is not among `takes`.
    static Inputs of(const http::Request&, std::initializer_list<std::string_view> takes);
    /// For what changes something: also 422 if nothing is named, and for what `Changeable` forbids.
    static Inputs change(const http::Request&, const Changeable&);

    /// `other` is another word for `name`: what it gave is found there. 422 if both are given.
    void alias(std::string_view other, std::string_view name);
    /// The names that a change was given, as declared.
    std::vector<std::string> changed() const;
    /// A value that was read, with whether it was given.
    template <class T>
    Change<T> change(std::string_view name, std::optional<T> value) const {
        return {has(name), std::move(value)};
    }

    /// Trimmed; nullopt if absent, null or empty. 422 over `most` bytes or with control characters.
    std::optional<std::string> text(std::string_view name, std::size_t most = 500) const;
    std::string required(std::string_view name, std::size_t most = 500) const;
    /// As it was written, in lines that end with \n: not trimmed, but nullopt if nothing is in it. 422 over `most` characters or
    /// with control characters other than the ends of lines.
    std::optional<std::string> lines(std::string_view name, std::size_t most) const;
    /// E.164; 422 if it is no callable number.
    std::optional<std::string> phone(std::string_view name) const;
    std::optional<bool> truth(std::string_view name) const;
    std::optional<std::int64_t> integer(std::string_view name, std::int64_t least, std::int64_t most) const;
    std::optional<Uuid> uuid(std::string_view name) const;
    /// RFC 3339 with an offset, or seconds since 1970: a zone is not guessed, and its names are refused. Not before 2000 or more
    /// than ten years after the request.
    std::optional<Instant> time(std::string_view name) const;
    std::optional<std::string> one_of(std::string_view name, Words) const;
    /// Given as null or empty: the value is to be taken away.
    bool clears(std::string_view name) const;
    /// A piece of JSON: object or array, as it was given.
    std::optional<std::string> json(std::string_view name) const;
    /// A piece of JSON that fits `schema`; 422 that says where it does not.
    std::optional<std::string> json(std::string_view name, const JsonSchema& schema) const;
    bool has(std::string_view name) const { return find(name) != nullptr; }

private:
    struct Value {
        std::string text;
        bool structured = false;
    };
    Inputs() = default;
    void read(const http::Request&);
    void read_json(std::string_view);
    void read_form(const FormFields&, const char* where);
    void put(std::string_view name, Value);
    const Value* find(std::string_view name) const;

    std::vector<std::string_view> takes_, changeable_;
    std::vector<Changeable::Fixed> fixed_;
    std::map<std::string, Value, std::less<>> values_;
    Instant received_at_{};
};

}  // namespace otto::api
