#pragma once
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace otto {

/// Why something did not work, in words for the person who must cure it.
/// `message` says what is wrong and names the field or setting; `hint` says what to do next.
struct Error {
    std::string message;
    std::string hint;
    std::source_location where;

    Error(std::string m, std::string h = {}, std::source_location w = std::source_location::current())
        : message(std::move(m)), hint(std::move(h)), where(w) {}
    /// "message (hint) [file:line]"
    std::string describe() const;
};

/// Thrown where a Result is unwrapped that holds none, and for lost connections and bugs; never for business outcomes.
class Failure : public std::runtime_error {
public:
    explicit Failure(const Error& e) : std::runtime_error(e.describe()), error_(e) {}
    const Error& error() const { return error_; }

private:
    Error error_;
};

/// A value or the reason why there is none.
template <class T>
class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    explicit operator bool() const { return state_.index() == 0; }
    bool ok() const { return state_.index() == 0; }
    const T& operator*() const& { return std::get<0>(state_); }
    T& operator*() & { return std::get<0>(state_); }
    T&& operator*() && { return std::get<0>(std::move(state_)); }
    const T* operator->() const { return &std::get<0>(state_); }
    T* operator->() { return &std::get<0>(state_); }
    const Error& error() const { return std::get<1>(state_); }
    /// The value; throws Failure with the error otherwise.
    T value() && {
        if (!ok()) throw Failure(error());
        return std::get<0>(std::move(state_));
    }
    T value_or(T other) const& { return ok() ? std::get<0>(state_) : std::move(other); }

private:
    std::variant<T, Error> state_;
};

/// Success, or the reason why not.
template <>
class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}
    explicit operator bool() const { return !error_; }
    bool ok() const { return !error_; }
    const Error& error() const { return *error_; }
    void value() const {
        if (error_) throw Failure(*error_);
    }

private:
    std::optional<Error> error_;
};

}  // namespace otto
