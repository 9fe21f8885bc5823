#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace otto {

struct JsonMember;

/// A read-only look at one JSON value; valid while its JsonDocument lives. Looking never fails: what is absent or of another type
/// is "nothing" (default-constructed view, nullopt). Of doubled keys the first counts.
class JsonView {
public:
    JsonView() = default;
    explicit JsonView(const void* value) : value_(value) {}
    bool exists() const { return value_ != nullptr; }
    bool is_null() const;
    bool is_object() const;
    bool is_array() const;
    bool is_string() const;
    bool is_number() const;
    bool is_bool() const;
    /// Reads the members one by one: for a few names. Who wants many has JsonIndex, who wants all has members().
    JsonView operator[](std::string_view key) const;
    JsonView at(std::size_t index) const;
    std::size_t size() const;
    /// In order of appearance, doubled names too; empty for what is no object. Names and values come together, so that nobody
    /// looks up each name in turn: that is quadratic, and the text may be a stranger's.
    std::vector<JsonMember> members() const;
    std::optional<std::string_view> string() const;
    std::optional<std::int64_t> integer() const;  ///< whole numbers that fit
    std::optional<double> number() const;  ///< always finite; of more than 15 digits or beyond 1e±22 the last places may be off
    std::optional<bool> boolean() const;
    /// Providers send numbers as text and text as numbers: strings as they are, numbers (4711.0 as 4711) and booleans as their
    /// shortest text; "" and null are nullopt.
    std::optional<std::string> loose_text() const;
    std::optional<std::int64_t> loose_integer() const;  ///< also "13", 13.0
    std::optional<bool> loose_boolean() const;          ///< also "true"/"false"/"yes"/"no"/"1"/"0"
    /// The value written again as compact JSON.
    std::string dump() const;
    const void* pointer() const { return value_; }  ///< for this library

private:
    const void* value_ = nullptr;
};

struct JsonMember {
    std::string_view name;
    JsonView value;
};

/// The members of one object by name, for who asks for many of them; as JsonView's []. Valid while the JsonDocument lives; empty
/// for what is no object.
class JsonIndex {
public:
    explicit JsonIndex(JsonView object);
    JsonView operator[](std::string_view name) const;

private:
    std::size_t place(std::string_view name) const;
    JsonView object_;
    std::vector<JsonMember> slots_;  ///< twice as many as members at least; who finds his taken goes to the next. Empty: the
                                     ///< members are read one by one.
};

/// A parsed text. Refuses invalid UTF-8, nesting over 64 levels and trailing garbage; the error says where (byte offset). Half an
/// escaped surrogate pair is U+FFFD.
class JsonDocument {
public:
    static Result<JsonDocument> parse(std::string_view text);
    JsonView root() const;
    JsonDocument(JsonDocument&&) noexcept;
    JsonDocument& operator=(JsonDocument&&) noexcept;
    ~JsonDocument();

private:
    struct Impl;
    explicit JsonDocument(std::unique_ptr<Impl>);
    std::unique_ptr<Impl> impl_;
};

/// A JSON Schema of draft 4, without references. Compiled once; checking is thread-safe.
class JsonSchema {
public:
    /// Throws std::invalid_argument for what is no JSON object: schemas are part of the build.
    explicit JsonSchema(std::string_view schema);
    ~JsonSchema();
    JsonSchema(JsonSchema&&) noexcept;
    /// The first thing that does not fit, as "/open/0/timeout_s breaks minimum"; nullopt if all fits.
    std::optional<std::string> misfit(JsonView) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// Writes compact JSON front to back. Keys and texts are escaped; invalid UTF-8 becomes U+FFFD. Misuse (a value without a key)
/// throws std::logic_error.
class JsonWriter {
public:
    JsonWriter() = default;
    /// For a text of about so many bytes.
    explicit JsonWriter(std::size_t room) { out_.reserve(room); }
    JsonWriter& begin_object();
    JsonWriter& end_object();
    JsonWriter& begin_array();
    JsonWriter& end_array();
    JsonWriter& key(std::string_view);
    JsonWriter& value(std::string_view);
    JsonWriter& value(const char* text) { return value(std::string_view(text)); }
    JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
    JsonWriter& value(std::int64_t);
    JsonWriter& value(int v) { return value(static_cast<std::int64_t>(v)); }
    JsonWriter& value(std::size_t v) { return value(static_cast<std::int64_t>(v)); }
    JsonWriter& value(double);
    JsonWriter& value(bool);
    JsonWriter& null();
    /// A piece that is JSON already (a jsonb column); the caller vouches for it.
    JsonWriter& raw(std::string_view json);
    template <class T>
    JsonWriter& value(const std::optional<T>& v) {
        return v ? value(*v) : null();
    }
    template <class T>
    JsonWriter& member(std::string_view k, const T& v) {
        key(k);
        return value(v);
    }
    const std::string& text() const { return out_; }
    std::string take() { return std::move(out_); }

private:
    void separate();
    std::string out_;
    std::vector<char> open_;  // '{' object, '[' array; lower-case variants once they have an element
    bool after_key_ = false;
};

}  // namespace otto
