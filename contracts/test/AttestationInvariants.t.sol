// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.34;

import {SignerRegistry} from "../src/SignerRegistry.sol";
import {AttestationFixture} from "./base/AttestationFixture.sol";

/// @notice Proposes, accepts, removes, signs, revokes and submits at random, and keeps its own account of who
/// counts.
contract AttestationHandler is AttestationFixture {
    uint256 private constant KEYS = 5;

    mapping(uint256 index => uint256 from) private _countsFrom;
    mapping(uint256 index => uint256 at) private _proposedAt;
    mapping(uint256 index => bool) private _gone;
    mapping(bytes32 digest => mapping(uint256 index => bool)) private _revoked;
    uint256 private _nonce;

    uint256 public accepted;
    uint256 public refused;
    string public violation;

    function setUp() public override {
        super.setUp();
        // The fixture's signers 0, 1 and 2 give way to keys that the handler knows by their index.
        signers = new SignerRegistry(owner);
        for (uint256 i = 0; i < KEYS; ++i) {
            vm.prank(owner);
            signers.proposeSigner(vm.addr(i + 1));
            _proposedAt[i] = block.timestamp;
        }
        model = registerModel(verificationData("by keys", 2, 1, 0, 1_000_000));
        approveWith(model, address(signers), 2, SCHEMA);
    }

    function accept(uint256 which) external {
        uint256 i = which % KEYS;
        vm.prank(vm.addr(i + 1));
        try signers.acceptSigner() {
            if (!_mayAccept(i)) violation = "accepted twice, too late, or unasked";
            _countsFrom[i] = _proposedAt[i] + 2 days;
        } catch {
            if (_mayAccept(i)) violation = "could not accept";
        }
    }

    function _mayAccept(uint256 i) private view returns (bool) {
        return _proposedAt[i] != 0 && _countsFrom[i] == 0 && block.timestamp <= _proposedAt[i] + 30 days;
    }

    function removeOrPropose(uint256 which) external {
        uint256 i = which % KEYS;
        // For good, so that it is done seldom.
        if (_countsFrom[i] != 0 && (which >> 128) % 4 != 0) return;
        vm.prank(owner);
        if (_proposedAt[i] != 0) {
            signers.removeSigner(vm.addr(i + 1));
            _gone[i] = _countsFrom[i] != 0;
            (_proposedAt[i], _countsFrom[i]) = (0, 0);
            return;
        }
        try signers.proposeSigner(vm.addr(i + 1)) {
            if (_gone[i]) violation = "a removed signer returned";
            _proposedAt[i] = block.timestamp;
        } catch {
            if (!_gone[i]) violation = "could not be proposed";
        }
    }

    function passTime(uint256 time) external {
        vm.warp(block.timestamp + time % 1 days);
    }

    /// @dev A request with the statements of a subset of keys; some are stale, some are revoked, some too long.
    function submit(uint256 subset, uint256 age, uint256 revoke) external {
        Statement memory s = attested(++_nonce);
        bytes memory list;
        uint256 bitmap;
        bool should = true;
        for (uint8 i = 0; i < KEYS; ++i) {
            if (subset >> i & 1 == 0) continue;
            Vouch memory v = vouch(i, i + 1);
            v.issuedAt = uint64(block.timestamp - ((age >> 128 + 8 * i) % 256) * 3 hours);
            v.validUntil = uint64(block.timestamp + 1 hours - (age >> 8 * i) % 65 minutes);
            bytes32 digest = digestOf(s, v);
            if ((revoke >> 8 * i) % 16 == 0) {
                vm.prank(vm.addr(i + 1));
                signers.revokeAttestation(digest);
                _revoked[digest][i] = true;
            }
            bool counts = _countsFrom[i] != 0 && block.timestamp >= _countsFrom[i];
            should = should && counts && v.validUntil >= block.timestamp && !_revoked[digest][i];
            should = should && (v.validUntil < v.issuedAt || v.validUntil - v.issuedAt <= 30 days);
            list = bytes.concat(list, pack(v, signature(v.key, digest)));
            bitmap |= 2 ** i;
        }
        uint256 count;
        for (uint256 i = 0; i < KEYS; ++i) {
            count += bitmap >> i & 1;
        }
        should = should && count >= 2;
        (bool ok,) = send(submitter, attestedCall(s, list));
        if (ok != should) {
            violation = ok ? "recorded what it should refuse" : "refused what it should record";
        }
        if (!ok) {
            ++refused;
            --_nonce;
            return;
        }
        ++accepted;
        if (oracle.scoreOf(borrower, model).signers != bitmap) violation = "another bitmap";
    }
}

/// @notice Under random use, what is recorded is what as many counting signers vouched for.
contract AttestationInvariantsTest is AttestationFixture {
    AttestationHandler private handler;

    function setUp() public override {
        handler = new AttestationHandler();
        handler.setUp();
    }

    /// @dev Tells forge which contract to call.
    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev The handler's fixture is no action.
    function excludeSelectors() public view returns (FuzzSelector[] memory excluded) {
        excluded = new FuzzSelector[](1);
        excluded[0].addr = address(handler);
        excluded[0].selectors = new bytes4[](1);
        excluded[0].selectors[0] = handler.setUp.selector;
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function invariant_OnlyWhatCountingSignersVouchForIsRecorded() public view {
        vm.assertEq(handler.violation(), "", "violation");
    }

    /// @dev Both ends do occur: otherwise the invariant would say nothing.
    function test_TheHandlerBothSucceedsAndFails() public {
        for (uint256 i = 0; i < 5; ++i) {
            handler.accept(i);
        }
        for (uint256 i = 0; i < 64; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            handler.passTime(seed);
            handler.submit(seed >> 16, seed >> 32, seed >> 96);
        }
        vm.assertTrue(handler.accepted() >= 5, "some are recorded");
        vm.assertTrue(handler.refused() >= 5, "some are refused");
        vm.assertEq(handler.violation(), "", "violation");
    }
}
