# What `cmake --install` places and CPack packs; man/CMakeLists.txt adds the
# pages. mount(8) looks for its helpers in /sbin only, so a machine is served
# by the prefix /usr (the .deb has it).

if(TARGET trefoil)
  install(TARGETS trefoil RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
# Python, and of use where nothing else of this is installed.
install(PROGRAMS ${PROJECT_SOURCE_DIR}/tools/trefoil-reader
  DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES
  ${PROJECT_SOURCE_DIR}/tools/trefoil-drill@.service
  ${PROJECT_SOURCE_DIR}/tools/trefoil-drill@.timer
  ${PROJECT_SOURCE_DIR}/tools/trefoil@.service
  DESTINATION lib/systemd/system)
install(FILES ${PROJECT_SOURCE_DIR}/tools/completion/trefoil
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES
  ${PROJECT_SOURCE_DIR}/README.md
  ${PROJECT_SOURCE_DIR}/CHANGELOG.md
  ${PROJECT_SOURCE_DIR}/LICENSE
  DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The program under its other names: it asks argv[0] what to be.
install(CODE "
  set(sbin \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_SBINDIR}\")
  file(MAKE_DIRECTORY \"\${sbin}\")
  foreach(name mount.trefoil mount.fuse.trefoil fsck.trefoil)
    message(STATUS \"Installing: \${sbin}/\${name}\")
    file(CREATE_LINK ../${CMAKE_INSTALL_BINDIR}/trefoil \"\${sbin}/\${name}\"
      SYMBOLIC)
  endforeach()
")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_VENDOR "Trefoil")
set(CPACK_PACKAGE_CONTACT "Trefoil maintainers <maintainers@trefoil.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "filesystem that is a 3-2-1 backup")
set(CPACK_PACKAGE_DESCRIPTION
  "A mounted share whose every file exists in three copies, on two kinds of
medium, one of them in an offsite object store, within seconds of being saved.
Past versions are folders below the read-only directory .snapshots.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS fuse3)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS 
  "samba, cryptsetup-bin, python3-cryptography, python3-zstandard")
include(CPack)
