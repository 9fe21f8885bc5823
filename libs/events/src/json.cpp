#include "events/json.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <charconv>

#include "base/text.hpp"
#include "otto/events.pb.h"

namespace otto::events {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

template <class T>
std::optional<T> number(std::string_view text) {
    T n{};
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return n;
}

/// False if the text is no such value.
bool assign(Message& m, const FieldDescriptor& f, std::string_view text) {
    const auto& r = *m.GetReflection();
    auto put = [&](auto parsed, auto set) {
        if (!parsed) return false;
        (r.*set)(&m, &f, *parsed);
        return true;
    };
    using google::protobuf::Reflection;
    switch (f.cpp_type()) {
        case FieldDescriptor::CPPTYPE_STRING:
            if (f.type() == FieldDescriptor::TYPE_STRING && !valid_utf8(text)) return false;
            r.SetString(&m, &f, std::string(text));
            return true;
        case FieldDescriptor::CPPTYPE_INT64:
            return put(number<std::int64_t>(text), &Reflection::SetInt64);
        case FieldDescriptor::CPPTYPE_UINT64:
            return put(number<std::uint64_t>(text), &Reflection::SetUInt64);
        case FieldDescriptor::CPPTYPE_INT32:
            return put(number<std::int32_t>(text), &Reflection::SetInt32);
        case FieldDescriptor::CPPTYPE_UINT32:
            return put(number<std::uint32_t>(text), &Reflection::SetUInt32);
        case FieldDescriptor::CPPTYPE_DOUBLE:
            return put(number<double>(text), &Reflection::SetDouble);
        case FieldDescriptor::CPPTYPE_FLOAT:
            return put(number<float>(text), &Reflection::SetFloat);
        case FieldDescriptor::CPPTYPE_BOOL:
            if (text != "true" && text != "false") return false;
            r.SetBool(&m, &f, text == "true");
            return true;
        case FieldDescriptor::CPPTYPE_ENUM: {
            const auto* value = f.enum_type()->FindValueByName(std::string(text));
            if (value) r.SetEnum(&m, &f, value);
            return value != nullptr;
        }
        case FieldDescriptor::CPPTYPE_MESSAGE:
            return false;
    }
    return false;
}

}  // namespace

std::shared_ptr<Message> new_message(std::string_view type) {
    static const auto prototypes = event_prototypes();
    for (const auto* p : prototypes)
        if (p->GetDescriptor()->full_name() == type) return std::shared_ptr<Message>(p->New());
    return nullptr;
}

Result<std::string> to_json(const Message& m) {
    google::protobuf::util::JsonPrintOptions options;
    options.preserve_proto_field_names = true;
    std::string out;
    auto status = google::protobuf::util::MessageToJsonString(m, &out, options);
    if (!status.ok()) return Error(m.GetDescriptor()->full_name() + " cannot be written as JSON: " + status.ToString());
    return out;
}

Result<void> from_json(Message& m, std::string_view json) {
    m.Clear();
    auto status = google::protobuf::util::JsonStringToMessage(std::string(json), &m);
    if (!status.ok())
        return Error("the JSON is no " + m.GetDescriptor()->full_name() + ": " + status.ToString(),
                     "the fields are those of its proto in proto-schemas/events");
    return {};
}

Result<void> set_field(Message& m, std::string_view path, std::string_view value) {
    Message* at = &m;
    std::string_view rest = path;
    while (true) {
        auto dot = rest.find('.');
        std::string name(rest.substr(0, dot));
        const auto* f = at->GetDescriptor()->FindFieldByName(name);
        if (!f)
            return Error(at->GetDescriptor()->full_name() + " has no field '" + name + "'",
                         "the fields are those of its proto in proto-schemas/events");
        if (f->is_repeated()) return Error("'" + std::string(path) + "' is a list", "give the whole payload as JSON instead");
        bool message = f->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
        if (dot == std::string_view::npos) {
            if (message)
                return Error("'" + std::string(path) + "' is a message",
                             "name a field in it, as " + std::string(path) + ".…, or give the whole payload as JSON");
            if (assign(*at, *f, value)) return {};
            return Error("'" + std::string(path) + "' does not take '" + clip_utf8(value, 80) + "'",
                         std::string("it is of the type ") + f->type_name());
        }
        if (!message)
            return Error("'" + name + "' in '" + std::string(path) + "' has no fields",
                         std::string("it is of the type ") + f->type_name());
        at = at->GetReflection()->MutableMessage(at, f);
        rest.remove_prefix(dot + 1);
    }
}

}  // namespace otto::events
