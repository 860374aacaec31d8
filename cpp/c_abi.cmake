# What the C libraries have in common: a header of C99, versions, one prefix that is exported, packages.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

file(STRINGS ${PROJECT_SOURCE_DIR}/pyproject.toml SHIFTVAE_VERSION REGEX "^version = ")
string(REGEX REPLACE "[^0-9.]" "" SHIFTVAE_VERSION "${SHIFTVAE_VERSION}")
set(shiftvae_package ${CMAKE_INSTALL_LIBDIR}/cmake/shiftvae)
file(RELATIVE_PATH SHIFTVAE_PREFIX_FROM_PC /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" SHIFTVAE_PREFIX_FROM_PC "${SHIFTVAE_PREFIX_FROM_PC}")

# For size what runs once for each model or message; the other files named run for each pixel or byte.
function(shiftvae_small target)
  if(NOT MSVC)
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-Os>)
    foreach(file ${ARGN})
      set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS $<$<CONFIG:Release>:-O3>)
    endforeach()
  endif()
endfunction()

# Beside the CMakeLists.txt that calls this lie the header and TARGET.map, which lists what is exported.
function(shiftvae_c_abi target header soversion)
  target_include_directories(${target} INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  set_target_properties(${target} PROPERTIES PUBLIC_HEADER ${header})
  if(NOT DEFINED SKBUILD)  # a wheel cannot hold the links of a library with versions
    set_target_properties(${target} PROPERTIES VERSION ${SHIFTVAE_VERSION} SOVERSION ${soversion})
  endif()
  shiftvae_set_warnings(${target})
  if(NOT MSVC)
    target_link_options(${target} PRIVATE -static-libgcc -static-libstdc++)
    target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/cpp/common/terminate.cpp)
  endif()
  if(MINGW)
    target_link_options(${target} PRIVATE -Wl,--gc-sections $<$<CONFIG:Release>:-Wl,--strip-all>)
  endif()
  if(UNIX AND NOT APPLE)
    set(map ${CMAKE_CURRENT_SOURCE_DIR}/${target}.map)
    set_target_properties(${target} PROPERTIES LINK_DEPENDS ${map})
    target_link_options(${target} PRIVATE
      -Wl,--version-script=${map} -Wl,--gc-sections $<$<CONFIG:Release>:-Wl,--strip-all>)
  endif()
endfunction()

# Library, header, TARGETTargets.cmake, and TARGET.pc from TARGET.pc.in.
function(shiftvae_install target)
  install(TARGETS ${target} EXPORT ${target}Targets
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    PUBLIC_HEADER DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT ${target}Targets NAMESPACE shiftvae:: DESTINATION ${shiftvae_package})
  configure_file(${target}.pc.in ${target}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${target}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()
