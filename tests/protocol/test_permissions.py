from vestibule.protocol.permissions import GlobalPermission, PathPermission


def test_every_permission_has_its_number_and_is_found_by_it() -> None:
    for one in GlobalPermission:
        assert GlobalPermission.of_code(one.code) is one
    for other in PathPermission:
        assert PathPermission.of_code(other.code) is other


def test_the_numbers_are_those_of_the_documents() -> None:
    assert GlobalPermission.MODIFY_SECURITY.code == 7
    assert GlobalPermission.MODIFY_TOPIC_VIEWS.code == 10
    assert PathPermission.ACQUIRE_LOCK.code == 9
    assert PathPermission.EXPOSE_BRANCH.code == 11


def test_a_number_of_a_later_version_reads_as_unknown() -> None:
    for code in (-1, 11, 12, 1000):
        unknown = GlobalPermission.of_code(code)
        assert unknown is GlobalPermission.UNKNOWN_GLOBAL_PERMISSION
    for code in (-1, 12, 1000):
        assert PathPermission.of_code(code) is PathPermission.UNKNOWN_PATH_PERMISSION
