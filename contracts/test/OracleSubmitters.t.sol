// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {IInferenceOracle} from "../src/interfaces/IInferenceOracle.sol";
import {OracleFixture} from "./base/OracleFixture.sol";

/// @notice Who may record, and what a record says of them.
contract OracleSubmittersTest is OracleFixture {
    function test_FrontRunningBySomeoneElseIsRefused() public {
        bytes memory data = callOf(statement(1, 1));
        assertRefusedFor(
            stranger,
            data,
            abi.encodeWithSelector(IInferenceOracle.SubmitterNotAllowed.selector, stranger),
            "a copy sent by a stranger"
        );
        assertRefusedFor(
            owner,
            data,
            abi.encodeWithSelector(IInferenceOracle.SubmitterNotAllowed.selector, owner),
            "a copy sent by the owner"
        );
        assertAccepted(data);
    }

    function test_NobodyIsNoSubmitter() public {
        vm.expectRevert(abi.encodeWithSelector(IInferenceOracle.SubmitterNotAllowed.selector, address(0)));
        vm.prank(owner);
        oracle.addSubmitter(address(0));
        vm.assertFalse(oracle.isSubmitter(address(0)), "not added");
    }

    function test_ARemovedSubmitterIsRefusedAndItsRecordsStay() public {
        assertAccepted(callOf(statement(1, 1)));
        vm.prank(owner);
        oracle.removeSubmitter(submitter);
        assertRefused(
            callOf(statement(2, 1)),
            abi.encodeWithSelector(IInferenceOracle.SubmitterNotAllowed.selector, submitter),
            "removed"
        );
        vm.assertEq(oracle.scoreOf(borrower, creditModel).prover, submitter, "the record still names it");
    }

    function test_EachRecordNamesItsOwnSubmitter() public {
        address second = named("second submitter");
        vm.startPrank(owner);
        oracle.addSubmitter(second);
        oracle.removeSubmitter(submitter);
        oracle.addSubmitter(submitter);
        vm.stopPrank();
        assertAccepted(callOf(statement(1, 1)));
        vm.assertEq(
            oracle.scoreOf(borrower, creditModel).prover, submitter, "added again under the same number"
        );
        (bool ok,) = send(second, callOf(statement(2, 1)));
        vm.assertTrue(ok, "second submitter");
        vm.assertEq(oracle.scoreOf(borrower, creditModel).prover, second, "second");
    }
}
