#pragma once
#include <memory>
#include <string_view>

namespace otto::inbound::v1 {
class Addressee;
class ProviderEvent;
}  // namespace otto::inbound::v1

/// What CallRail says of a call or a text, in our words; the same for its webhooks and for its API's list of calls (providers.md
/// §1.4 to §1.6).
namespace otto::providers::callrail {

/// A body, read once. A stranger may have written it: addressee() has read no more than what says who could have signed it;
/// tell() reads what it reports, once that is settled.
class Report {
public:
    enum class Of { call, text };
    /// `content_type`: lower-case, without parameters; forms are read as one, all else as JSON.
    static Report read(std::string_view body, std::string_view content_type, Of);
    Report(Report&&) noexcept;
    Report& operator=(Report&&) noexcept;
    ~Report();

    /// Whose it could be; nobody's for a body that cannot be read.
    const inbound::v1::Addressee& addressee() const;
    /// Sets kind, key, addressee, the report itself and, where none can be made of the body, not_understood. Of a call, `path` is
    /// the last part of where the webhook was posted ("call.completed"), which decides only where the body cannot tell.
    void tell(std::string_view path, inbound::v1::ProviderEvent&) const;

private:
    struct Impl;
    explicit Report(std::unique_ptr<Impl>);
    std::unique_ptr<Impl> impl_;
};

}  // namespace otto::providers::callrail
