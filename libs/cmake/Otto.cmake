# The project's few CMake words. A folder's CMakeLists.txt is two or three of them:
#
#   otto_lib(kafka DEPS base telemetry PRIVATE PkgConfig::RDKAFKA)      libs/kafka: src/*.cpp and src/*/*.cpp, include/, tests/*_test.cpp
#   otto_service(tenant-router DEPS runtime directory events)           services/tenant-router: *.cpp and */*.cpp but main.cpp, sql/*.sql, tests/
#   otto_proto(otto_protos FILES events/otto/.../x.proto)               a library of generated messages
#   otto_test(base_test SOURCES … DEPS …)                               one Catch2 executable, for unit and integration a ctest each
#
# Third-party libraries are always PRIVATE: what a lib hides stays in its src/.

find_program(OTTO_CCACHE ccache)
if(OTTO_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The precompiled header is why ccache must be told to look past time macros and file times.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime CCACHE_NOHASHDIR=1
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} ${OTTO_CCACHE})
endif()
find_program(OTTO_MOLD mold)
if(OTTO_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
# Services run on mimalloc: each event has blocks of a few KB, too large for the threads' caches of glibc (a third of tenant-router's CPU was malloc and free). jemalloc
# does not start under libfaketime. Sanitizers bring an allocator of their own.
if(NOT CMAKE_CXX_FLAGS MATCHES "-fsanitize")
  find_library(OTTO_ALLOCATOR mimalloc REQUIRED)
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wno-missing-field-initializers
                    -fno-plt
                    # g++ 12 sees these where std::string moves its small buffer (false positives, gcc bugs 105329, 105651)
                    -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread)
option(OTTO_WERROR "warnings are errors" ON)
if(OTTO_WERROR)
  add_compile_options(-Werror)
endif()

# One precompiled header of the standard library for the whole tree; the only header that is not included where it is used
# for want of need: every file still includes what it names.
add_library(otto_pch OBJECT ${CMAKE_SOURCE_DIR}/libs/cmake/pch.cpp)
target_precompile_headers(otto_pch PRIVATE <algorithm> <array> <atomic> <chrono> <condition_variable> <cstdint> <cstring>
  <deque> <functional> <map> <memory> <mutex> <optional> <set> <span> <stdexcept> <string> <string_view> <thread>
  <unordered_map> <utility> <variant> <vector>)
target_compile_options(otto_pch PRIVATE -fpch-preprocess)

if(CMAKE_CXX_FLAGS MATCHES "-fsanitize=thread")
  add_library(otto_c11_threads OBJECT ${CMAKE_SOURCE_DIR}/libs/cmake/c11_threads.cpp)
  link_libraries($<TARGET_OBJECTS:otto_c11_threads>)
endif()

add_custom_target(programs)  # what is deployed

# What programs say of themselves (--describe); a release sets it.
set(OTTO_VERSION ${PROJECT_VERSION} CACHE STRING "version of this build")

function(otto_folders)
  foreach(folder ${ARGN})
    if(EXISTS ${CMAKE_SOURCE_DIR}/${folder}/CMakeLists.txt)
      add_subdirectory(${folder})
    endif()
  endforeach()
endfunction()

function(_otto_common target)
  target_precompile_headers(${target} REUSE_FROM otto_pch)
  target_compile_options(${target} PRIVATE -fpch-preprocess)
  if(OTTO_UBSAN AND NOT target STREQUAL "http") # a Beast file takes 98 s with it
    target_compile_options(${target} PRIVATE -fsanitize=undefined -fno-sanitize-recover=undefined)
    target_link_options(${target} PUBLIC -fsanitize=undefined)
  endif()
endfunction()

# otto_lib(<name> DEPS <our libs…> PRIVATE <third-party targets…>)
function(otto_lib name)
  cmake_parse_arguments(ARG "" "" "DEPS;PRIVATE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/src/*.cpp ${CMAKE_CURRENT_SOURCE_DIR}/src/*/*.cpp)
  file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/include/${name}/*.hpp)
  add_library(${name} STATIC ${sources} ${headers})
  set_target_properties(${name} PROPERTIES OUTPUT_NAME otto_${name} LINKER_LANGUAGE CXX)
  target_include_directories(${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/include PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src)
  target_link_libraries(${name} PUBLIC ${ARG_DEPS} PRIVATE ${ARG_PRIVATE} Threads::Threads)
  _otto_common(${name})
  _otto_header_check(${name} "${headers}")
  file(GLOB tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/tests/*_test.cpp)
  if(tests)
    otto_test(${name}_test SOURCES ${tests} DEPS ${name} ${OTTO_${name}_TEST_DEPS})
  endif()
endfunction()

# Each public header must compile alone, seeing only what its lib may see: target `headers`.
function(_otto_header_check name headers)
  set(units)
  foreach(header ${headers})
    get_filename_component(base ${header} NAME_WE)
    set(unit ${CMAKE_CURRENT_BINARY_DIR}/header_check/${name}_${base}.cpp)
    file(CONFIGURE OUTPUT ${unit} CONTENT "#include \"${name}/${base}.hpp\"\n#include \"${name}/${base}.hpp\"\n")
    list(APPEND units ${unit})
  endforeach()
  if(units)
    add_library(${name}_headers OBJECT EXCLUDE_FROM_ALL ${units})
    target_link_libraries(${name}_headers PRIVATE ${name})
    if(NOT TARGET headers)
      add_custom_target(headers)
    endif()
    add_dependencies(headers ${name}_headers)
  endif()
endfunction()

# otto_service(<name> DEPS <our libs…>): a library <name>_lib of everything but main.cpp, and the executable. A folder with a
# service.json is a service and needs no main.cpp.
function(otto_service name)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  string(REPLACE "-" "_" ns ${name})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp ${CMAKE_CURRENT_SOURCE_DIR}/*/*.cpp)
  list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/main.cpp)
  list(FILTER sources EXCLUDE REGEX "^${CMAKE_CURRENT_SOURCE_DIR}/tests/")
  add_library(${ns}_lib STATIC ${sources})
  set_target_properties(${ns}_lib PROPERTIES LINKER_LANGUAGE CXX)
  # Tests elsewhere include "callrail-ingress/callrail.hpp": the folder above is on the path, the service's own folder too.
  target_include_directories(${ns}_lib PUBLIC ${CMAKE_SOURCE_DIR}/services PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(${ns}_lib PUBLIC ${ARG_DEPS})
  _otto_common(${ns}_lib)
  file(GLOB sql CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/sql/*.sql)
  if(sql)
    set(dir ${CMAKE_CURRENT_BINARY_DIR}/generated)
    set(out ${dir}/${name}/sql.hpp)
    add_custom_command(OUTPUT ${out}
      COMMAND python3 ${CMAKE_SOURCE_DIR}/libs/pg/tools/sql_to_hpp.py --namespace otto::${ns}::sql --parts ${CMAKE_SOURCE_DIR}/libs/api/sql/resources.sql --out ${out} ${sql}
      DEPENDS ${sql} ${CMAKE_SOURCE_DIR}/libs/api/sql/resources.sql ${CMAKE_SOURCE_DIR}/libs/pg/tools/sql_to_hpp.py VERBATIM)
    target_sources(${ns}_lib PRIVATE ${out})
    target_include_directories(${ns}_lib PUBLIC ${dir})
  endif()
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/service.json)
    set_property(GLOBAL APPEND PROPERTY OTTO_SERVICES ${name})
    otto_program(${name} ${name})
  else()
    add_executable(${name} main.cpp)
    target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
    target_link_libraries(${name} PRIVATE ${ns}_lib ${OTTO_ALLOCATOR})
    _otto_common(${name})
    add_dependencies(programs ${name})
  endif()
  file(GLOB tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/tests/*_test.cpp)
  if(tests)
    otto_test(${name}_test SOURCES ${tests} DEPS ${ns}_lib ${OTTO_${ns}_TEST_DEPS})
    target_include_directories(${name}_test PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  endif()
endfunction()

# otto_program(<name> <services…>): an executable that runs these services in one process. Each gives its definition().
function(otto_program name)
  set(declared "")
  set(called "")
  set(libs "")
  foreach(service ${ARGN})
    string(REPLACE "-" "_" ns ${service})
    set(manifest ${CMAKE_SOURCE_DIR}/services/${service}/service.json)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${manifest})
    file(READ ${manifest} said)
    string(APPEND declared "namespace otto::${ns} {\napp::Definition definition();\n}\n")
    string(APPEND called "        with(otto::${ns}::definition(), R\"manifest(${said})manifest\"),\n")
    list(APPEND libs ${ns}_lib)
  endforeach()
  set(main ${CMAKE_CURRENT_BINARY_DIR}/${name}_main.cpp)
  file(CONFIGURE OUTPUT ${main} CONTENT [[
// Generated by otto_program().
#include "app/process.hpp"
#include "schema/schema.hpp"

@declared@
namespace {
otto::app::Definition with(otto::app::Definition d, std::string_view manifest) {
    d.manifest = manifest;
    return d;
}
}  // namespace
int main(int argc, char** argv) {
    return otto::app::run(argc, argv, {"@name@", "@OTTO_VERSION@", otto::schema::latest()}, {
@called@    });
}
]] @ONLY)
  add_executable(${name} ${main})
  target_link_libraries(${name} PRIVATE ${libs} schema ${OTTO_ALLOCATOR})
  _otto_common(${name})
  add_dependencies(programs ${name})
endfunction()

# otto_proto(<target> ROOT <dir> FILES <relative .proto…>): generated messages as a library, its headers included as "<path>.pb.h".
function(otto_proto target)
  cmake_parse_arguments(ARG "" "ROOT" "FILES" ${ARGN})
  find_package(Protobuf REQUIRED)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/generated)
  file(MAKE_DIRECTORY ${out})
  set(sources)
  set(inputs)
  foreach(file ${ARG_FILES})
    string(REGEX REPLACE "\\.proto$" "" stem ${file})
    list(APPEND sources ${out}/${stem}.pb.cc)
    list(APPEND outputs ${out}/${stem}.pb.cc ${out}/${stem}.pb.h)
    list(APPEND inputs ${ARG_ROOT}/${file})
  endforeach()
  add_custom_command(OUTPUT ${outputs} ${out}/${target}.binpb
    COMMAND protobuf::protoc --cpp_out=${out} --include_imports --descriptor_set_out=${out}/${target}.binpb -I ${ARG_ROOT} ${inputs}
    DEPENDS ${inputs} VERBATIM)
  add_library(${target} STATIC ${sources})
  target_include_directories(${target} SYSTEM PUBLIC ${out})
  target_compile_options(${target} PRIVATE -w)
  target_link_libraries(${target} PUBLIC protobuf::libprotobuf)
endfunction()

# otto_test(<name> SOURCES … DEPS …): Catch2. Cases tagged [integration] run under that label, the rest as unit.
function(otto_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  if(NOT TARGET otto_catch_main)
    add_library(otto_catch_main OBJECT ${CMAKE_SOURCE_DIR}/libs/cmake/catch_main.cpp)
    target_include_directories(otto_catch_main PUBLIC ${CMAKE_SOURCE_DIR}/libs/cmake/include)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE otto_catch_main ${ARG_DEPS} Threads::Threads)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/libs/cmake/include ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_definitions(${name} PRIVATE OTTO_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  _otto_common(${name})
  add_test(NAME ${name} COMMAND ${name} "~[integration]" --use-colour no)
  set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 120)
  set(integration)
  foreach(source ${ARG_SOURCES})
    get_filename_component(path ${source} ABSOLUTE)
    file(STRINGS ${path} hits REGEX "\\[integration\\]")
    if(hits)
      set(integration ON)
    endif()
  endforeach()
  if(integration)
    add_test(NAME ${name}.integration COMMAND ${name} "[integration]" --use-colour no)
    set_tests_properties(${name}.integration PROPERTIES LABELS integration TIMEOUT 600 RUN_SERIAL ON)
  endif()
endfunction()
