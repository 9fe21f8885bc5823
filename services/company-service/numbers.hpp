#pragma once
#include <string>
#include <vector>

#include "api/api.hpp"
#include "config.hpp"
#include "number_list.hpp"
#include "otto/changes/v1/changes.pb.h"
#include "runtime/handler.hpp"

namespace otto::company_service {

/// The numbers of companies: what managers command, and the proof that webhooks bring. Who may have a number is judged where its
/// row is written (claim_number() in the database), so that every way of writing one is judged alike; here it is said in words.
class Numbers {
public:
    Numbers(const app::Settings&, pg::Pool&, std::vector<const NumberList*>);
    http::Response add(api::Context&) const;
    http::Response change(api::Context&) const;
    http::Response end(api::Context&) const;

    /// 409 if something stands against this claim of the number for both purposes, as far as can be known before it is made.
    static void must_be_free(pg::Tx&, const std::string& company, const std::string& field, const std::string& number);
    /// Before the request writes: if another company stands against one of these numbers and a provider's list may settle it, the
    /// lists are read. "" is none.
    void consult(api::Context&, const CompanyId&, const std::vector<std::string>& numbers) const;
    /// Runs what registers numbers, in the company's scope. What stands against it becomes a 409 that names these fields and the
    /// cure, never whose the number is; so does one unproven number too many.
    void registering(pg::Tx&, const CompanyId&, const std::vector<std::string>& fields,
                     const std::function<void(pg::Tx&)>&) const;
    /// A webhook that the company's key signed came for a number: its row, if there is one, stands firmer.
    rt::Outcome note_proof(rt::Intent<changes::v1::NumberProven>, rt::Out<>&) const;

private:
    std::int64_t most_unproven_;
    pg::Pool& pool_;
    std::vector<const NumberList*> lists_;
};

}  // namespace otto::company_service
