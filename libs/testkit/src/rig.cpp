#include "testkit/rig.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "testkit/postgres.hpp"

namespace otto::testkit {
namespace {

/// One migrated database for all rigs of a test process.
const Secret& migrated() {
    static const Secret url = TestPostgres::shared().migrated_database();
    return url;
}

std::string role_of(const std::string& consumer) {
    auto role = "otto_" + consumer.substr(0, consumer.find('/'));
    for (auto& c : role)
        if (c == '-') c = '_';
    return role;
}

}  // namespace

struct Rig::Impl {
    explicit Impl(rt::Consumer c)
        : consumer(std::move(c)),
          owner(migrated(), "rig"),
          role(TestPostgres::as_role(migrated(), role_of(consumer.name())), "rig") {}
    rt::Consumer consumer;
    pg::Connection owner, role;
    std::unique_ptr<pg::Tx> tx;
    std::unique_ptr<rt::Sink> sink;
};

Rig::Rig(rt::Consumer consumer) : impl_(std::make_unique<Impl>(std::move(consumer))) {}
Rig::~Rig() = default;

Rig& Rig::given(std::string_view sql) {
    impl_->owner.execute(sql);
    return *this;
}

rt::Outcome Rig::run(const google::protobuf::Message& message, const std::string& type) {
    for (const auto& h : impl_->consumer.handlers()) {
        if (h.type->type != type) continue;
        rt::detail::Event event;
        std::unique_ptr<google::protobuf::Message> own(message.New());  // a handler may take its event apart
        own->CopyFrom(message);
        event.message = own.get();
        event.meta.id = EventId{Uuid::v7(system_clock().now())};
        event.meta.type = type;
        event.meta.key = events::key_of(message);
        event.meta.occurred_at = system_clock().now();
        if (const auto* field = message.GetDescriptor()->FindFieldByName("company_id"))
            event.meta.company = CompanyId{message.GetReflection()->GetString(message, field)};
        impl_->tx.reset();
        impl_->tx = std::make_unique<pg::Tx>(impl_->role.begin(pg::Scope::company(event.meta.company)));
        impl_->sink = std::make_unique<rt::Sink>(impl_->consumer.name());
        const rt::detail::Event* one = &event;
        if (h.shape == rt::detail::Shape::batch) {
            h.batch(std::span(&one, 1), *impl_->tx, *impl_->sink);
        } else if (h.shape == rt::detail::Shape::activity) {
            std::vector<std::function<void(pg::Tx&)>> closing;
            auto outcome = h.activity(event, "rig", closing, *impl_->sink);
            if (outcome.settled())
                for (const auto& write : closing) write(*impl_->tx);
            impl_->tx->flush();
            return outcome;
        } else {
            auto outcome = h.one(event, impl_->tx.get(), *impl_->sink);
            impl_->tx->flush();
            return outcome;
        }
        impl_->tx->flush();
        return rt::Outcome::done();
    }
    throw std::logic_error("the consumer " + impl_->consumer.name() + " has no handler for " + type);
}

std::vector<std::string> Rig::emitted_values(const std::string& type) const {
    std::vector<std::string> out;
    if (!impl_->sink) return out;
    for (const auto& item : impl_->sink->items()) {
        auto meta = events::read_meta(item.wire.headers);
        if (meta && meta->type == type) out.push_back(item.wire.value);
    }
    return out;
}

pg::Tx& Rig::open() {
    if (!impl_->tx) throw std::logic_error("rows() comes after when()");
    return *impl_->tx;
}

}  // namespace otto::testkit
