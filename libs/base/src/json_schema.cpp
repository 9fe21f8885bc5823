#include "rapidjson.hpp"

#include <rapidjson/schema.h>
#include <rapidjson/stringbuffer.h>

#include <stdexcept>

#include "base/json.hpp"

namespace otto {
namespace {

rapidjson::Document parsed(std::string_view schema) {
    rapidjson::Document d;
    d.Parse(schema.data(), schema.size());
    if (d.HasParseError() || !d.IsObject()) throw std::invalid_argument("a JSON Schema must be a JSON object");
    return d;
}

}  // namespace

struct JsonSchema::Impl {
    explicit Impl(std::string_view schema) : source(parsed(schema)), compiled(source) {}
    rapidjson::Document source;
    rapidjson::SchemaDocument compiled;
};

JsonSchema::JsonSchema(std::string_view schema) : impl_(std::make_unique<Impl>(schema)) {}
JsonSchema::~JsonSchema() = default;
JsonSchema::JsonSchema(JsonSchema&&) noexcept = default;

std::optional<std::string> JsonSchema::misfit(JsonView value) const {
    rapidjson::SchemaValidator validator(impl_->compiled);
    if (!value.exists()) return "there is no value";
    static_cast<const rapidjson::Value*>(value.pointer())->Accept(validator);
    if (validator.IsValid()) return std::nullopt;
    rapidjson::StringBuffer where;
    validator.GetInvalidDocumentPointer().Stringify(where);
    std::string at(where.GetString(), where.GetSize()), rule = validator.GetInvalidSchemaKeyword();
    return (at.empty() ? "the whole" : at) + " breaks " + rule;
}

}  // namespace otto
