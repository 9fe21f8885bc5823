#pragma once
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.hpp"
#include "base/says_nothing.hpp"
#include "base/text.hpp"
#include "base/time.hpp"

namespace otto::providers::callrail {

/// The same questions to a JSON object and to a form. Of several names for one thing the first that says something counts. A
/// stranger may have written it, and it is read before anybody has signed for it: it is gone through once, and of more than 1,000
/// fields it is not understood.
class Body {
public:
    static Result<Body> read(std::string_view bytes, std::string_view content_type);
    std::optional<std::string> text(std::initializer_list<std::string_view> names) const;
    /// The first that says something (says_nothing()).
    std::optional<std::string> said(std::initializer_list<std::string_view> names, Of = Of::anything) const;
    /// A text that is an id: 4711 and 4711.0 are one.
    std::optional<std::string> id(std::initializer_list<std::string_view> names) const;
    std::optional<bool> truth(std::initializer_list<std::string_view> names) const;
    std::optional<std::int64_t> number(std::initializer_list<std::string_view> names) const;
    /// The first that is a time, UTC unless it says its zone.
    std::optional<Instant> time(std::initializer_list<std::string_view> names) const;
    bool has(std::string_view name) const { return json_ ? (*members_)[name].exists() : form_.contains(name); }
    /// Whether any of them says something, whatever it is: more than null, "", [] and {}.
    bool says(std::initializer_list<std::string_view> names) const;
    /// Whether any of them is something that no text is: true, false, a list or an object.
    bool no_text(std::initializer_list<std::string_view> names) const;
    /// An array of texts, numbers and objects with a name; one of them alone; a comma list; in a form `tags[]=`, `tags[0]=`,
    /// `tags[][name]=` or the name several times. 200 at most, each cut to so many bytes. nullopt: it says something of which
    /// nothing can be understood.
    std::optional<std::vector<std::string>> list(std::string_view name, std::size_t longest = 1'000) const;
    /// Names of the fields that CallRail says changed, in our words; 100 at most.
    std::vector<std::string> changes() const;

private:
    Body() = default;
    std::optional<std::string_view> field(std::string_view name) const;
    std::optional<JsonDocument> json_;
    std::optional<JsonIndex> members_;
    FormFields fields_;
    std::unordered_map<std::string_view, std::string_view>
        form_;  ///< into fields_; of doubled names the first; what is in brackets goes by the name before them too
};

}  // namespace otto::providers::callrail
