#pragma once
#include <functional>
#include <optional>
#include <string_view>

#include "base/ids.hpp"
#include "otto/changes/v1/changes.pb.h"
#include "providers/attachments.hpp"
#include "runtime/runtime.hpp"

namespace otto::lead_pipeline {

/// Texts with which something came, by their ids (runtime/work_queue.hpp).
inline constexpr std::string_view kMedia = "lead-pipeline/media";

/// Fetches what came with texts, keeps it as `<company>/messages/<text>/<n>`, and says in the text's row what became of each:
/// stored, too_large, or failed with why. All of a text that is still to be had is asked for in one turn; what may yet come is
/// asked for again, with pauses that grow. Thread-safe.
class Media {
public:
    static constexpr std::size_t kMost = 10;  ///< of one text

    using MaybeAccount = std::optional<providers::twilio::Account>;
    struct Outside {
        std::function<providers::AttachmentOutcome(const providers::AttachmentSource&, const std::function<bool()>& stopping)>
            fetch;
        /// The account by which a text of the company came at Twilio: its own, or the deployment's, each as far as there is one.
        /// nullopt: the companies are not known yet, ask again shortly.
        std::function<std::optional<MaybeAccount>(const CompanyId&, bool of_deployment)> account;
        providers::ObjectStore& store;
    };
    explicit Media(Outside outside) : outside_(std::move(outside)) {}
    std::optional<Instant> next(rt::Lease&) const;

private:
    struct Item;
    struct Became;
    /// Each with the account that may be shown for it; nullopt: that is not known yet.
    std::optional<std::vector<MaybeAccount>> accounts_of(const rt::Lease&, std::string_view provider,
                                                         const std::vector<Item>&) const;
    Became ask(const rt::Lease&, const Item&, const MaybeAccount&) const;
    std::optional<Instant> settle(pg::Tx&, const rt::Lease&, const std::vector<Became>&) const;

    Outside outside_;
    rt::Emitter<changes::v1::RowChanged> emitter_{"lead-pipeline"};
};

}  // namespace otto::lead_pipeline
