# trefoil_library(NAME SOURCES ... [DEPENDS ...]) and trefoil_test(...): every
# target of the project is made by one of these, so that flags stand once.

include(CheckPIESupported)
check_pie_supported(LANGUAGES CXX)
if(NOT CMAKE_CXX_LINK_PIE_SUPPORTED)
  message(FATAL_ERROR "position-independent executables can't be linked")
endif()

# What turns a memory error into a crash in place of a break-in. Sanitizers
# find more and don't go together with it.
function(trefoil_hardening target)
  if(TREFOIL_SANITIZE)
    return()
  endif()
  set(release $<CONFIG:Release>)
  target_compile_options(${target} PRIVATE $<${release}:
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -D_GLIBCXX_ASSERTIONS
    -fstack-protector-strong -fstack-clash-protection>)
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL x86_64)
    target_compile_options(${target} PRIVATE $<${release}:-fcf-protection=full>)
  endif()
  target_link_options(${target} PRIVATE
    $<${release}:LINKER:-z,relro,-z,now,-z,noexecstack>)
endfunction()

# What is preloaded into a program has none: they are the program's.
function(trefoil_sanitizers target)
  get_target_property(type ${target} TYPE)
  if(NOT TREFOIL_SANITIZE OR type STREQUAL MODULE_LIBRARY)
    return()
  endif()
  # What releases check of the standard library's contracts is tested here.
  target_compile_options(${target} PRIVATE
    -fsanitize=${TREFOIL_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all -D_GLIBCXX_ASSERTIONS)
  target_link_options(${target} PRIVATE -fsanitize=${TREFOIL_SANITIZE})
  # As shared libraries GCC's runtimes bear nothing preloaded, and only one of
  # the two writes its reports where it is told to.
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND TREFOIL_SANITIZE MATCHES address)
    target_link_options(${target} PRIVATE -static-libasan -static-libubsan)
  endif()
endfunction()

function(trefoil_flags target)
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR})
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wconversion -Wshadow
    $<$<BOOL:${TREFOIL_WERROR}>:-Werror>
    $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)
  # Optimizing, GCC 12 sees overlapping copies in `"text" + std::string` (its
  # bug 105651).
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND
     CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(${target} PRIVATE
      $<$<CONFIG:Release>:-Wno-restrict>)
  endif()
  trefoil_hardening(${target})
  trefoil_sanitizers(${target})
endfunction()

# The library trefoil_NAME (folder = namespace = library = log tag = label).
function(trefoil_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  add_library(trefoil_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(trefoil_${name}
    PUBLIC ${ARG_DEPENDS} PRIVATE ${ARG_PRIVATE_DEPENDS})
  trefoil_flags(trefoil_${name})
endfunction()

# trefoil_timeout(SECONDS TEST...): how long tests may take on a busy machine.
# Sanitizers make programs slower by such a factor.
function(trefoil_timeout seconds)
  if(TREFOIL_SANITIZE)
    math(EXPR seconds "6 * ${seconds}")
  endif()
  set_tests_properties(${ARGN} PROPERTIES TIMEOUT ${seconds})
endfunction()

# One GoogleTest binary LABEL_test, one ctest entry, labelled.
function(trefoil_test label)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPENDS;ENVIRONMENT" ${ARGN})
  add_executable(${label}_test ${ARG_SOURCES})
  target_link_libraries(${label}_test PRIVATE
    ${ARG_DEPENDS} GTest::gtest GTest::gmock GTest::gtest_main)
  trefoil_flags(${label}_test)
  add_test(NAME ${label} COMMAND ${label}_test)
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  set_tests_properties(${label} PROPERTIES
    LABELS ${label} ENVIRONMENT "${ARG_ENVIRONMENT}")
  trefoil_timeout(${ARG_TIMEOUT} ${label})
endfunction()
