# medtok_room(NAME USED... LIBRARIES LIBRARY...): makes the room of the folder NAME, as the library of objects room_NAME, and the list
# medtok_uses_NAME of all rooms whose headers it sees. In tests there is room_NAME_f64 too, in double precision, made when asked for.
#
# The compiler gets one folder of includes for each room, ${PROJECT_BINARY_DIR}/rooms/NAME, with a link to the folder of each room
# that it sees.
function(medtok_room name)
    cmake_parse_arguments(PARSE_ARGV 1 room "" "" LIBRARIES)
    set(uses ${room_UNPARSED_ARGUMENTS})
    set(libraries ${room_LIBRARIES})
    foreach(used ${room_UNPARSED_ARGUMENTS})
        if(NOT used STREQUAL "kernels" AND NOT used IN_LIST medtok_rooms)
            message(FATAL_ERROR "the room ${name} may not use ${used}, which does not stand above it in the table")
        endif()
        list(APPEND uses ${medtok_uses_${used}})
        list(APPEND libraries ${medtok_libraries_${used}})
    endforeach()
    list(REMOVE_DUPLICATES uses)
    list(REMOVE_DUPLICATES libraries)
    set(medtok_uses_${name} ${uses} PARENT_SCOPE)
    set(medtok_rooms ${medtok_rooms} ${name} PARENT_SCOPE)

    set(includes ${PROJECT_BINARY_DIR}/rooms/${name})
    file(MAKE_DIRECTORY ${includes})
    file(GLOB links ${includes}/*)
    if(links)
        file(REMOVE ${links})
    endif()
    foreach(seen ${name} ${uses})
        if(NOT seen STREQUAL "kernels")
            file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR}/${seen} ${includes}/${seen} SYMBOLIC)
        endif()
    endforeach()

    file(GLOB sources CONFIGURE_DEPENDS ${name}/*.c ${name}/*/*.c)
    set(suffixes plain)
    if(MEDTOK_TESTS)
        list(APPEND suffixes _f64)
    endif()
    if(NOT sources) # options alone
        set(suffixes)
    endif()
    foreach(suffix ${suffixes})
        string(REPLACE plain "" suffix ${suffix})
        set(kernels medtok_kernels_cpu${suffix}) # seen, not linked: whoever links rooms picks the precision
        add_library(room_${name}${suffix} OBJECT EXCLUDE_FROM_ALL ${sources})
        target_include_directories(room_${name}${suffix} PRIVATE ${includes})
        target_compile_definitions(room_${name}${suffix} PRIVATE _GNU_SOURCE MEDTOK_VERSION="${PROJECT_VERSION}")
        if("kernels" IN_LIST uses)
            target_include_directories(room_${name}${suffix} PRIVATE
                                       $<TARGET_PROPERTY:${kernels},INTERFACE_INCLUDE_DIRECTORIES>)
            target_compile_definitions(room_${name}${suffix} PRIVATE
                                       $<TARGET_PROPERTY:${kernels},INTERFACE_COMPILE_DEFINITIONS>)
        endif()
        target_link_libraries(room_${name}${suffix} PUBLIC ${libraries} OpenMP::OpenMP_C PRIVATE medtok_warnings)
    endforeach()
    set(medtok_libraries_${name} ${libraries} PARENT_SCOPE)
endfunction()

# Adds rooms, with the suffix of their precision, to a library.
function(medtok_link_rooms library suffix)
    foreach(room ${ARGN})
        if(TARGET room_${room}${suffix})
            target_link_libraries(${library} PUBLIC room_${room}${suffix})
        endif()
    endforeach()
endfunction()
